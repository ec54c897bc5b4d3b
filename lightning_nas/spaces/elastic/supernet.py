"""The supernet of the elastic space: its largest network, made of layers that can be sliced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_nas.architecture import Choices
from lightning_nas.ops.layers.elastic import ElasticBatchNorm2d, ElasticConv2d
from lightning_nas.spaces.elastic.blocks import BLOCKS, Body
from lightning_nas.spaces.elastic.space import Elastic
from lightning_nas.spaces.elastic.trunk import Block, Trunk
from lightning_nas.spaces.ordered import OrderedSupernet
from lightning_nas.spaces.places import Place


class ElasticLayers:
    """Makes layers that can be sliced.

    Args:
        trunk: Of the largest network.
        kernels: That a layer may have whose kernel can be chosen.
        transform: Whether smaller kernels are learnt maps.
    """

    def __init__(self, trunk: Trunk, kernels: Sequence[int] = (), *, transform: bool = False) -> None:
        self.trunk, self.kernels, self.transform = trunk, kernels, transform

    def conv(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        depthwise: bool = False,
        bias: bool = False,
        chosen: bool = False,
    ) -> nn.Module:
        """A convolution that keeps the size at stride 1; ``chosen``: its kernel is one of several."""
        same = self.trunk.same and kernel > 1
        return ElasticConv2d(
            inputs,
            outputs,
            kernel,
            kernels=self.kernels if chosen else (),
            kernel_transform=self.transform and chosen,
            same=same,
            stride=stride,
            padding=0 if same else kernel // 2,
            groups=outputs if depthwise else 1,
            bias=bias,
        )

    def norm(self, channels: int) -> nn.Module:
        """A BatchNorm."""
        return ElasticBatchNorm2d(channels, eps=self.trunk.epsilon)


class ElasticStage(nn.Sequential):
    """The blocks of a stage, of which the first are computed.

    Attributes:
        active_depth: How many.
    """

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__(*blocks)
        self.active_depth = len(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W) -> (B, out, H', W')``."""
        for block in list(self)[: self.active_depth]:
            x = block(x)
        return x


class ElasticSupernet(OrderedSupernet, space=Elastic):
    """The largest network; :meth:`activate` cuts it down to another one without a copy. It has no logits.

    Maps of a network of smaller width end in channels of zeros, so that what reads them sees the same shapes.
    """

    def __init__(self, space: Elastic, generator: torch.Generator | None = None) -> None:
        super().__init__({}, generator)
        self.space = space
        trunk = space.plan({})
        stages = []
        for stage, blocks in enumerate(trunk.stages):
            made = []
            for layer, block in enumerate(blocks):
                layers = ElasticLayers(trunk, space.kernel_options(stage, layer), transform=space.kernel_transform)
                made.append(BLOCKS[block.kind](layers, trunk, block, trunk.inputs(stage, layer)))
            stages.append(ElasticStage(*made))
        self.body = Body(trunk, stages, ElasticLayers(trunk), space.in_channels)
        self.feature_info = self.body.feature_info.within("body")
        self.slices = any(name.endswith(".expansion") for name in space.decisions)

    def places(self) -> dict[str, Place]:
        """Where the layers stand."""
        return {f"body.{name}": place for name, place in self.body.places().items()}

    def activate(self, choices: Choices | None) -> None:
        """Makes forward compute one architecture; None: the largest. Sizes are set, nothing is copied.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        if choices is not None:
            self.space.validate(choices)
        trunk = self.space.plan(choices or {})
        _set_out(self.body.stem, "0", trunk.stem)
        for stage, blocks in zip(self.body.stages, trunk.stages, strict=True):
            assert isinstance(stage, ElasticStage)
            stage.active_depth = len(blocks)
            for module, block in zip(stage, blocks, strict=False):
                _resize(module, block)

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        channels = [level.channels for level in self.feature_info]
        return [_widened(each, count) for each, count in zip(self.body(x), channels, strict=True)], None


def _resize(module: nn.Module, block: Block) -> None:
    for name in module.middle_layers:  # type: ignore[union-attr]
        _set_out(module, str(name), block.middle)
    for name in module.out_layers:  # type: ignore[union-attr]
        _set_out(module, str(name), block.out)
    for name in module.kernel_layers:  # type: ignore[union-attr]
        layer = module.get_submodule(str(name))
        assert isinstance(layer, ElasticConv2d)
        layer.active_kernel = block.kernel


def _set_out(module: nn.Module, name: str, channels: int) -> None:
    """Sets the output channels of a layer, where the module has it."""
    first, _, rest = name.partition(".")
    child = getattr(module, first, None)
    if rest and child is not None:
        _set_out(child, rest, channels)
    elif isinstance(child, ElasticConv2d):
        child.active_out = channels


def _widened(x: Tensor, channels: int) -> Tensor:
    """``(B, c, H, W) -> (B, channels, H, W)`` by channels of zeros at the end."""
    return x if x.shape[1] == channels else functional.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))

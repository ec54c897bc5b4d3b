"""The modules of the elastic space's networks; their tensors lie in the order of torchvision's and timm's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from lightning_nas.ops.layers.same_padding import SameConv2d
from lightning_nas.spaces.elastic.trunk import Block, Trunk
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.places import STEM, Place, numbered

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "hardswish": nn.Hardswish}
GATES = {"sigmoid": nn.Sigmoid, "hardsigmoid": nn.Hardsigmoid}


class Layers(Protocol):
    """Makes the layers of a network: plain ones, or those that can be sliced."""

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
        ...

    def norm(self, channels: int) -> nn.Module:
        """A BatchNorm."""
        ...


class PlainLayers:
    """PyTorch's own layers.

    Args:
        same: Whether convolutions pad as TensorFlow does.
        epsilon: Of BatchNorm.
    """

    def __init__(self, *, same: bool = False, epsilon: float = 1e-5) -> None:
        self.same, self.epsilon = same, epsilon

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
        """``torch.nn.Conv2d``; with TensorFlow's padding where that differs."""
        groups = outputs if depthwise else 1
        if self.same and kernel > 1:
            return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=bias)
        return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)

    def norm(self, channels: int) -> nn.Module:
        """``torch.nn.BatchNorm2d``."""
        return nn.BatchNorm2d(channels, eps=self.epsilon)


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate that looks at their means (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(self, layers: Layers, trunk: Trunk, channels: int, squeeze: int) -> None:
        super().__init__()
        self.reduce = layers.conv(channels, squeeze, 1, bias=True)
        self.widen = layers.conv(squeeze, channels, 1, bias=True)
        self.activation = ACTIVATIONS[trunk.gate_activation]()
        self.gate = GATES[trunk.gate]()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) ->`` the same shape."""
        gate: Tensor = self.widen(self.activation(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * self.gate(gate)


class InvertedBlock(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, linear 1x1 projection; a shortcut where it has one.

    Attributes:
        middle_layers: Names of the layers whose outputs are the channels inside; a depthwise convolution follows its input.
        out_layers: Names of those whose outputs are those of the block.
        kernel_layers: Names of those whose kernel can be chosen.
    """

    middle_layers = ("expand", "squeeze.widen")
    out_layers = ("project",)
    kernel_layers = ("depthwise",)

    def __init__(self, layers: Layers, trunk: Trunk, block: Block, inputs: int) -> None:
        super().__init__()
        middle = block.middle
        self.shortcut = block.shortcut == "identity"
        if block.expands:
            self.expand = layers.conv(inputs, middle, 1)
            self.expand_norm = layers.norm(middle)
        self.expands = block.expands
        self.depthwise = layers.conv(middle, middle, block.kernel, block.stride, depthwise=True, chosen=True)
        self.depthwise_norm = layers.norm(middle)
        self.squeeze = SqueezeExcite(layers, trunk, middle, block.squeeze) if block.squeeze else nn.Identity()
        self.project = layers.conv(middle, block.out, 1)
        self.project_norm = layers.norm(block.out)
        self.activation = ACTIVATIONS[block.activation](inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W) -> (B, out, ceil(H/stride), ceil(W/stride))``."""
        y = self.activation(self.expand_norm(self.expand(x))) if self.expands else x
        y = self.squeeze(self.activation(self.depthwise_norm(self.depthwise(y))))
        y = self.project_norm(self.project(y))
        return x + y if self.shortcut else y


class _Residual(nn.Module):
    """What the blocks of a ResNet share: the shortcut, as it is or projected."""

    shortcut: nn.Module

    def _shortcut(self, layers: Layers, block: Block, inputs: int) -> nn.Module:
        if block.shortcut == "identity":
            return nn.Identity()
        return nn.Sequential(layers.conv(inputs, block.out, 1, block.stride), layers.norm(block.out))


class BasicBlock(_Residual):
    """Two convolutions that look at neighbours, and a shortcut; the kernel of the first can be chosen."""

    middle_layers = ("conv1",)
    out_layers = ("conv2", "shortcut.0")
    kernel_layers = ("conv1",)

    def __init__(self, layers: Layers, trunk: Trunk, block: Block, inputs: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(inputs, block.middle, block.kernel, block.stride, chosen=True)
        self.norm1 = layers.norm(block.middle)
        self.conv2 = layers.conv(block.middle, block.out, 3)
        self.norm2 = layers.norm(block.out)
        self.shortcut = self._shortcut(layers, block, inputs)
        self.activation = ACTIVATIONS[block.activation](inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W) -> (B, out, ceil(H/stride), ceil(W/stride))``."""
        y = self.norm2(self.conv2(self.activation(self.norm1(self.conv1(x)))))
        out: Tensor = self.activation(y + self.shortcut(x))
        return out


class Bottleneck(_Residual):
    """1x1, ``k x k`` and 1x1 convolution, and a shortcut; the middle one has the stride and the kernel to choose."""

    middle_layers = ("conv1", "conv2")
    out_layers = ("conv3", "shortcut.0")
    kernel_layers = ("conv2",)

    def __init__(self, layers: Layers, trunk: Trunk, block: Block, inputs: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(inputs, block.middle, 1)
        self.norm1 = layers.norm(block.middle)
        self.conv2 = layers.conv(block.middle, block.middle, block.kernel, block.stride, chosen=True)
        self.norm2 = layers.norm(block.middle)
        self.conv3 = layers.conv(block.middle, block.out, 1)
        self.norm3 = layers.norm(block.out)
        self.shortcut = self._shortcut(layers, block, inputs)
        self.activation = ACTIVATIONS[block.activation](inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W) -> (B, out, ceil(H/stride), ceil(W/stride))``."""
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm3(self.conv3(self.activation(self.norm2(self.conv2(y)))))
        out: Tensor = self.activation(y + self.shortcut(x))
        return out


BLOCKS: dict[str, type[InvertedBlock] | type[BasicBlock] | type[Bottleneck]] = {
    "inverted": InvertedBlock,
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}


class Body(nn.Module):
    """Stem and stages; returns the last map of every resolution.

    Args:
        trunk: What it looks like.
        stages: One module per stage.
        layers: Makes the layers of the stem.
        in_channels: Channels of the image.
    """

    def __init__(self, trunk: Trunk, stages: Sequence[nn.Module], layers: Layers, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            layers.conv(in_channels, trunk.stem, trunk.stem_kernel, 2),
            layers.norm(trunk.stem),
            ACTIVATIONS[trunk.stem_activation](inplace=True),
        )
        self.pool = nn.MaxPool2d(3, 2, 1) if trunk.pool else nn.Identity()
        self.stages = nn.ModuleList(stages)
        self.reductions = trunk.reductions
        before = [2, *trunk.reductions[:-1]]
        self.taken = tuple(reduction > last for last, reduction in zip(before, trunk.reductions, strict=True))
        levels, current = [], FeatureLevel(trunk.stem, 2, "stem")
        for index, blocks in enumerate(trunk.stages):
            if self.taken[index]:
                levels.append(current)
            current = FeatureLevel(blocks[-1].out, trunk.reductions[index], f"stages.{index}")
        self.feature_info = FeatureInfo((*levels, current))

    def places(self) -> dict[str, Place]:
        """Where the layers stand."""
        found = {}
        stages = numbered(self.reductions)
        for name, _ in self.named_modules():
            where, _, rest = name.partition(".")
            if where == "stem" and rest:
                found[name] = Place(STEM, 0, 0, rest)
            elif where == "stages" and rest.count(".") >= 2:
                stage, layer, module = rest.split(".", 2)
                found[name] = Place(*stages[int(stage)], int(layer), module)
        return found

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`."""
        maps = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if self.taken[index]:
                maps.append(x)
            x = stage(self.pool(x) if index == 0 else x)
        return [*maps, x]

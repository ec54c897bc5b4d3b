"""The chain space: a MobileNet-like sequence of blocks, with a choice of block per layer and of depth per stage.

Sources: Cai et al. 2019, "ProxylessNAS", arXiv 1812.00332 (blocks per layer, MobileNetV2 body); Cai et al. 2020,
"Once-for-All", arXiv 1908.09791 (depth per stage).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_equally_long, check_one_of, check_operations, check_whole, lists_to_tuples

CHAIN_OPS = (
    "mbconv_k3_e3",
    "mbconv_k3_e6",
    "mbconv_k5_e3",
    "mbconv_k5_e6",
    "mbconv_k7_e3",
    "mbconv_k7_e6",
    "skip_connect",
)
SKIP = "skip_connect"


class StageResolution(NamedTuple):
    """Stride of the first layer of a stage, dilation of that layer, dilation of the others."""

    stride: int
    first_dilation: int
    dilation: int


@dataclass(frozen=True)
class Chain(SearchSpace):
    """Stages of inverted residual blocks.

    Decisions, per stage ``s``: ``stage{s}.depth``, how many of its layers there are (where there is a choice), and per
    layer ``l``: ``stage{s}.{l}``, its operation. The operation of a layer beyond the chosen depth is inactive. The
    first layer of a stage changes resolution and width, so it cannot be skipped.

    Args:
        stem_channels: Channels after the 3x3 stem convolution.
        stem_stride: Its stride.
        first_channels: Channels of the fixed block without expansion that follows; 0 for none.
        widths: Channels of the stages.
        depths: Layers of every stage, at most.
        strides: Stride of every stage.
        min_depth: Layers of every stage, at least; a stage that has not more is not searched in depth.
        head_channels: Channels of a closing 1x1 convolution; 0 for none.
        in_channels: Channels of the image.
        ops: Candidate operations of a layer; ``skip_connect`` leaves it out.
        output_stride: Stages that would go beyond this stride keep the resolution, and their kernels are dilated instead
            (Chen et al. 2017, DeepLabV3, arXiv 1706.05587); None for no limit.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = Chain()
        >>> space.options(space.decisions[0], {})[:2]
        [2, 3]
    """

    name: ClassVar[str] = "chain"

    stem_channels: int = 32
    stem_stride: int = 2
    first_channels: int = 16
    widths: tuple[int, ...] = (24, 40, 80, 96, 192, 320)
    depths: tuple[int, ...] = (4, 4, 4, 4, 4, 1)
    strides: tuple[int, ...] = (2, 2, 2, 1, 2, 1)
    min_depth: int = 2
    head_channels: int = 0
    in_channels: int = 3
    ops: tuple[str, ...] = CHAIN_OPS
    output_stride: int | None = None

    def __post_init__(self) -> None:
        lists_to_tuples(self, "widths", "depths", "strides")
        check_operations(self, without=("none",), because="a layer that does nothing is 'skip_connect'")
        if self.ops == (SKIP,):
            raise ArgumentError(f"ops must hold an operation besides {SKIP!r}, got {self.ops!r}")
        check_equally_long(self, "widths", "depths", "strides")
        check_whole(
            self,
            stem_channels=(1, 4096),
            stem_stride=(1, 2),
            first_channels=(0, 4096),
            widths=(1, 4096),
            depths=(1, 64),
            strides=(1, 2),
            min_depth=(1, 64),
            head_channels=(0, 8192),
            in_channels=(1, 4096),
        )
        check_one_of(self, output_stride=(None, 4, 8, 16, 32))

    @property
    def entry_channels(self) -> int:
        """Channels of the map that the first stage reads."""
        return self.first_channels or self.stem_channels

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def resolutions(self) -> tuple[StageResolution, ...]:
        """Stride and dilation of every stage."""
        reached, dilation, stages = self.stem_stride, 1, []
        for stride in self.strides:
            if self.output_stride is not None and reached * stride > self.output_stride:
                stages.append(StageResolution(1, dilation, stride * dilation))
                dilation *= stride
            else:
                stages.append(StageResolution(stride, dilation, dilation))
                reached *= stride
        return tuple(stages)

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Depth (where there is a choice) and layers of every stage."""
        names = []
        for stage, depth in enumerate(self.depths):
            names += [f"stage{stage}.depth"] if len(self.depth_options(stage)) > 1 else []
            names += [f"stage{stage}.{layer}" for layer in range(depth)]
        return tuple(names)

    def depth_options(self, stage: int) -> list[int]:
        """The depths that a stage may have, shallowest first."""
        deepest = self.depths[stage]
        return list(range(min(self.min_depth, deepest), deepest + 1))

    def layer_ops(self, layer: int) -> list[str]:
        """Candidates of the n-th layer of a stage: the first cannot be skipped."""
        return [name for name in self.ops if layer > 0 or name != SKIP]

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """Depths of a stage; operations of a layer, none if the stage is shallower. A depth not yet chosen is full."""
        stage_name, what = name.split(".")
        if what == "depth":
            return self.depth_options(int(stage_name.removeprefix("stage")))
        depth = choices.get(f"{stage_name}.depth")
        if isinstance(depth, int) and int(what) >= depth:
            return []
        return self.layer_ops(int(what))

    def depth(self, stage: int, choices: Choices) -> int:
        """The depth of a stage."""
        return int(choices.get(f"stage{stage}.depth", self.depths[stage]))

    def stage_ops(self, choices: Choices) -> list[list[str]]:
        """The operations of the layers that there are, per stage."""
        return [
            [str(choices[f"stage{stage}.{layer}"]) for layer in range(self.depth(stage, choices))]
            for stage in range(len(self.depths))
        ]

    def largest(self) -> dict[str, Option]:
        """Full depth, and everywhere the last candidate: list them from small to large."""
        ops = [name for name in self.ops if name != SKIP]
        return self.complete(dict.fromkeys(self.decisions, ops[-1]) | self._depths(-1), None)

    def smallest(self) -> dict[str, Option]:
        """The least depth, and everywhere the first candidate; layers that may be left out are."""
        ops = [name for name in self.ops if name != SKIP]
        wanted = {name: SKIP if not name.endswith(".0") and SKIP in self.ops else ops[0] for name in self.decisions}
        return self.complete(wanted | self._depths(0), None)

    def _depths(self, place: int) -> dict[str, Option]:
        names = {f"stage{stage}.depth": self.depth_options(stage)[place] for stage in range(len(self.depths))}
        return {name: depth for name, depth in names.items() if name in self.decisions}

    def size(self) -> int:
        """Number of architectures: per stage the sum over its depths."""
        first, rest = len(self.layer_ops(0)), len(self.layer_ops(1))
        result = 1
        for stage in range(len(self.depths)):
            result *= sum(first * rest ** (depth - 1) for depth in self.depth_options(stage))
        return result

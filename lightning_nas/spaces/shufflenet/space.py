"""The ShuffleNetV2 space of single-path search: a choice of block in every layer.

Sources: Guo et al. 2020, "Single Path One-Shot Neural Architecture Search with Uniform Sampling", arXiv 1904.00420; Chen
et al. 2019, "DetNAS: Backbone Search for Object Detection", arXiv 1903.10979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.ops.candidates.shuffle import Split
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import (
    check_equally_long,
    check_even,
    check_one_of,
    check_operations,
    check_switches,
    check_whole,
    lists_to_tuples,
)

SHUFFLE_OPS = ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "shuffle_xception")


@dataclass(frozen=True)
class ShuffleNetV2(SearchSpace):
    """Four stages of choice blocks; the defaults are DetNAS's small network (300M multiply-adds).

    Decisions: ``stage{s}.{l}``, the block of every layer. The first layer of a stage halves the resolution.

    Its large network (1.3G) is :class:`ShuffleNetV2Large`. SPOS has the small one with ``bias=False`` and
    ``supernet_affine=False``.

    A block of stride 1 works on half of the channels. Which half is not in the papers: the released code of SPOS takes every
    other channel, and so do the found networks of DetNAS; DetNAS's supernets, for ImageNet and for COCO, interleave the two
    halves and take the second half of that. Released weights give other outputs with the other split. A supernet and
    what is found in it share one here, so that weights can be taken over.

    Args:
        stem_channels: Channels after the 3x3 stem convolution, which has stride 2.
        widths: Channels of the stages.
        depths: Layers of the stages.
        head_channels: Channels of a closing 1x1 convolution, for classification; 0 for none, as detectors want it.
        in_channels: Channels of the image.
        bias: Whether stem and closing convolution have a bias.
        supernet_affine: Whether BatchNorm in the supernet has a learnable scale and shift; that of found networks has.
        ops: Candidate blocks.
        split: ``"even_odd"`` or ``"halves"``, see :func:`lightning_nas.ops.candidates.shuffle.split_channels`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = ShuffleNetV2()
        >>> len(space.decisions), space.size()
        (20, 1099511627776)
    """

    name: ClassVar[str] = "shufflenetv2"

    stem_channels: int = 16
    widths: tuple[int, ...] = (64, 160, 320, 640)
    depths: tuple[int, ...] = (4, 4, 8, 4)
    head_channels: int = 1024
    in_channels: int = 3
    bias: bool = True
    supernet_affine: bool = True
    ops: tuple[str, ...] = SHUFFLE_OPS
    split: Split = "even_odd"

    def __post_init__(self) -> None:
        lists_to_tuples(self, "widths", "depths")
        check_operations(self, without=("none", "skip_connect"), because="a block can change the width of a map")
        check_equally_long(self, "widths", "depths")
        check_whole(
            self,
            stem_channels=(1, 4096),
            widths=(2, 8192),
            depths=(1, 64),
            head_channels=(0, 8192),
            in_channels=(1, 4096),
        )
        check_even(self, "widths", "half of the channels pass")
        check_one_of(self, split=get_args(Split))
        check_switches(self, "bias", "supernet_affine")

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """The layers of all stages, in order."""
        return tuple(f"stage{stage}.{layer}" for stage, depth in enumerate(self.depths) for layer in range(depth))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The same blocks for every layer."""
        return self.ops

    def largest(self) -> dict[str, Option]:
        """Everywhere the last candidate: list them from small to large."""
        return self.from_indices([len(self.ops) - 1] * len(self.decisions))

    def smallest(self) -> dict[str, Option]:
        """Everywhere the first candidate."""
        return self.from_indices([0] * len(self.decisions))

    def stage_ops(self, choices: Choices) -> list[list[str]]:
        """The blocks of the layers, per stage.

        Raises:
            ArchitectureError: If the choices are not an architecture of this space.
        """
        self.validate(choices)
        return [
            [str(choices[f"stage{stage}.{layer}"]) for layer in range(depth)] for stage, depth in enumerate(self.depths)
        ]

    def from_indices(self, indices: Sequence[int]) -> dict[str, Option]:
        """The architecture in the papers' notation: the index of the block of every layer.

        Raises:
            ValueError: If they are not as many as there are layers, or there is no such block.
        """
        if len(indices) != len(self.decisions) or not all(0 <= index < len(self.ops) for index in indices):
            raise ArgumentError(
                f"indices must be {len(self.decisions)} numbers from 0 to {len(self.ops) - 1}, got {list(indices)}"
            )
        return {name: self.ops[index] for name, index in zip(self.decisions, indices, strict=True)}


@dataclass(frozen=True)
class ShuffleNetV2Large(ShuffleNetV2):
    """DetNAS's large network of 1.3G multiply-adds, 40 blocks; records call it ``shufflenetv2``, too.

    Args:
        stem_channels: Channels after the 3x3 stem convolution.
        widths: Channels of the stages.
        depths: Layers of the stages.

    Example:
        >>> sum(ShuffleNetV2Large().depths)
        40
    """

    stem_channels: int = 48
    widths: tuple[int, ...] = (96, 240, 480, 960)
    depths: tuple[int, ...] = (8, 8, 16, 8)

"""Necks drawn by hand: what a searched neck is compared with. Each is a space of one architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_one_of, check_whole
from lightning_nas.spaces.necks.levels import check_levels

Extra = Literal["conv", "pool"]
"""How levels beyond the backbone's come about."""


@dataclass(frozen=True)
class FixedNeck(SearchSpace):
    """A neck without decisions.

    Args:
        channels: Width of all maps.
        min_level: The finest level; level ``l`` has stride ``2 ** l``.
        max_level: The coarsest level.

    Raises:
        ValueError: If an argument is out of range.
    """

    role: ClassVar[str] = "neck"

    channels: int = 256
    min_level: int = 3
    max_level: int = 7

    def __post_init__(self) -> None:
        check_levels(self)
        check_whole(self, channels=(1, 4096))

    @property
    def decisions(self) -> tuple[str, ...]:
        """None."""
        return ()

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """There are no decisions.

        Raises:
            KeyError: Always.
        """
        raise KeyError(name)


@dataclass(frozen=True)
class Fpn(FixedNeck):
    """The feature pyramid network (Lin et al. 2017, arXiv 1612.03144).

    Args:
        channels: Width of all maps.
        min_level: The finest level; level ``l`` has stride ``2 ** l``.
        max_level: The coarsest level.
        extra: Levels coarser than the backbone's: ``"conv"``: by strided convolutions, as RetinaNet's 6 and 7 (arXiv
            1708.02002); ``"pool"``: every second value of the level before, as level 6 of Faster R-CNN in the paper.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = Fpn(channels=64, min_level=3, max_level=7)
        >>> space.decisions, space.size()
        ((), 1)
    """

    name: ClassVar[str] = "fpn"

    extra: Extra = "conv"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(self, extra=get_args(Extra))


@dataclass(frozen=True)
class Panet(FixedNeck):
    """The path aggregation network (Liu et al. 2018, arXiv 1803.01534): a way back down to the coarse levels.

    Example:
        >>> space = Panet(channels=64, min_level=3, max_level=7)
        >>> space.decisions, space.size()
        ((), 1)
    """

    name: ClassVar[str] = "panet"


@dataclass(frozen=True)
class BiFpn(FixedNeck):
    """Repeated ways up and down with learned weights of their sums (Tan, Pang, Le 2020, arXiv 1911.09070).

    Args:
        channels: Width of all maps.
        min_level: The finest level; level ``l`` has stride ``2 ** l``.
        max_level: The coarsest level.
        repeats: Layers, one after the other.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = BiFpn(channels=64, min_level=3, max_level=7, repeats=3)
        >>> space.decisions, space.size()
        ((), 1)
    """

    name: ClassVar[str] = "bifpn"

    repeats: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, repeats=(1, 64))

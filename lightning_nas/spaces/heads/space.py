"""The size of a task's head as a decision of the search: the last part of a product.

The part itself passes the maps on. Its choices are for the head of the task, which a space cannot build: it reads them from
the part, see :func:`~lightning_nas.spaces.heads.network.head_part`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.checks import check_whole, lists_to_tuples
from lightning_nas.spaces.ordered import OrderedSpace, ordered


@dataclass(frozen=True)
class HeadSpace(OrderedSpace):
    """Numbers that a task's head is built with. A head that has no such number refuses the part."""

    role: ClassVar[str] = "head"


@dataclass(frozen=True)
class TowerHead(HeadSpace):
    """The convolutions in the towers of a one-stage detector: the first of them, the predictor behind each number.

    Decision: ``convs``. The width of the towers is that of the pyramid.

    Args:
        convs: Numbers that can be chosen.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> TowerHead(convs=(4, 1)).options("convs", {})
        [1, 4]
    """

    name: ClassVar[str] = "tower_head"

    convs: tuple[int, ...] = (1, 2, 4)

    def __post_init__(self) -> None:
        lists_to_tuples(self, "convs")
        check_whole(self, convs=(1, 4))
        if not self.convs:
            raise ArgumentError("convs must hold at least one number, got ()")

    @cached_property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """The numbers of convolutions, smallest first."""
        return {"convs": ordered(self.convs)}


@dataclass(frozen=True)
class AtrousHead(HeadSpace):
    """Width and atrous rates of a head that labels pixels, in percent of those that the task has without it.

    Decisions: ``width``, ``rates``.

    Args:
        widths: Percentages of the channels that can be chosen besides all; none: the width is no decision.
        rates: Percentages of the atrous rates that can be chosen besides 100; none: they are no decision.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> AtrousHead(widths=(50,), rates=()).decisions
        ('width',)
    """

    name: ClassVar[str] = "atrous_head"

    widths: tuple[int, ...] = (50, 75)
    rates: tuple[int, ...] = (50,)

    def __post_init__(self) -> None:
        lists_to_tuples(self, "widths", "rates")
        check_whole(self, widths=(10, 100), rates=(10, 400))

    @cached_property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """The percentages, smallest first."""
        return {"width": ordered(self.widths, 100), "rates": ordered(self.rates, 100)}

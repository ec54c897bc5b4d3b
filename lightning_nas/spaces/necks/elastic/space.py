"""Width and repeats of a well-known neck as decisions of the search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, get_args

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_one_of, check_whole, lists_to_tuples
from lightning_nas.spaces.necks.fixed.space import BiFpn, Extra, Fpn, Panet
from lightning_nas.spaces.necks.levels import check_levels
from lightning_nas.spaces.necks.nas_fpn.space import NasFpn
from lightning_nas.spaces.ordered import OrderedSpace, ordered, share

Kind = Literal["fpn", "panet", "bifpn", "nas_fpn"]

REPEATED = ("bifpn", "nas_fpn")
"""Kinds that repeat their layers."""


@dataclass(frozen=True)
class ElasticNeck(OrderedSpace):
    """A neck whose smaller versions share its weights by slicing: the first channels, and the first of its layers.

    Decisions: ``width``, the percentage of the channels that all maps have, in multiples of 8 channels; ``repeats``, how many
    of its layers there are. A found neck is the plain one of that size.

    Args:
        kind: ``"fpn"``, ``"panet"``, ``"bifpn"``, or ``"nas_fpn"``, the published one.
        channels: Width of all maps in the largest neck.
        widths: Percentages of them that can be chosen besides all.
        repeats: Numbers of layers that can be chosen; of ``fpn`` and ``panet`` there is 1.
        min_level: The finest level; level ``l`` has stride ``2 ** l``.
        max_level: The coarsest level.
        extra: How ``fpn`` makes levels coarser than the backbone's, see :class:`~lightning_nas.spaces.Fpn`.

    Raises:
        ValueError: If an argument is out of range, or the kind has no repeats.

    Example:
        >>> space = ElasticNeck("bifpn", channels=64, widths=(50,), repeats=(1, 3))
        >>> space.decisions, space.size()
        (('width', 'repeats'), 4)
        >>> space.plain({"width": 50, "repeats": 3}).channels
        32
    """

    name: ClassVar[str] = "elastic_neck"
    role: ClassVar[str] = "neck"

    kind: Kind = "fpn"
    channels: int = 256
    widths: tuple[int, ...] = (50, 75)
    repeats: tuple[int, ...] = (1,)
    min_level: int = 3
    max_level: int = 7
    extra: Extra = "conv"

    def __post_init__(self) -> None:
        lists_to_tuples(self, "widths", "repeats")
        check_one_of(self, kind=get_args(Kind), extra=get_args(Extra))
        check_whole(self, channels=(1, 4096), widths=(10, 100), repeats=(1, 64))
        check_levels(self)
        if not self.repeats or (self.kind not in REPEATED and self.repeats != (1,)):
            raise ArgumentError(
                f"repeats of kind {self.kind!r} must be numbers of layers, (1,) if it has one, got {self.repeats}"
            )
        if self.extra != "conv" and self.kind != "fpn":
            raise ArgumentError(f"extra = {self.extra!r}: only kind 'fpn' has that, got kind {self.kind!r}")
        if self.kind == "nas_fpn" and (self.min_level, self.max_level) != (3, 7):
            raise ArgumentError(
                f"min_level and max_level of kind 'nas_fpn' are 3 and 7, got {self.min_level} and {self.max_level}"
            )

    @cached_property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Percentages of different widths, and numbers of layers."""
        widths = {share(self.channels, percent): percent for percent in ordered(self.widths, 100)}
        return {"width": ordered(widths.values()), "repeats": ordered(self.repeats)}

    @property
    def channels_follow_choices(self) -> bool:  # type: ignore[override]
        """Whether the width is searched."""
        return "width" in self.decisions

    def width(self, choices: Choices) -> int:
        """Channels of all maps of a found neck."""
        return share(self.channels, self.value("width", choices))

    def plain(self, choices: Choices) -> SearchSpace:
        """The space of the neck of that size, which :meth:`SearchSpace.published_choices` is an architecture of."""
        channels, repeats = self.width(choices), self.value("repeats", choices)
        levels = (self.min_level, self.max_level)
        if self.kind == "fpn":
            return Fpn(channels, *levels, extra=self.extra)
        if self.kind == "panet":
            return Panet(channels, *levels)
        if self.kind == "bifpn":
            return BiFpn(channels, *levels, repeats=repeats)
        return NasFpn(channels=channels, repeats=repeats)

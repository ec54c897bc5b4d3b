"""Options that are strong enough, and nothing where none is."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.gradient.guards.max_skips import names_of
from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.selection.base import Selection

NONE = "none"


class Threshold(Selection):
    """The strongest option of an edge where it reaches a threshold, else none.

    Source: Chu et al. 2020, "Fair DARTS", arXiv 1911.12126: edges are ranked by their strongest option and lose it if it is
    below 0.85.

    Args:
        least: The threshold.

    Example:
        >>> import torch
        >>> from lightning_nas.spaces import NasBench201
        >>> space = NasBench201()
        >>> strengths = torch.full((6, 5), 0.3)
        >>> strengths[0, space.ops.index("nor_conv_3x3")] = 0.9
        >>> list(Threshold().choose(space, {"cell": strengths}).values())
        ['nor_conv_3x3', 'none', 'none', 'none', 'none', 'none']
    """

    def __init__(self, *, least: float = 0.85) -> None:
        check_between("select.least", least, 0, 1)
        self.least = least

    def check(self, space: SearchSpace) -> None:
        """Edges must be able to have no operation."""
        if not any(NONE in space.all_options(decision) for decision in space.decisions):
            raise ArgumentError(
                f"select = {self!r}: in the space {space.name!r} no decision has the option {NONE!r}, so that no option can be "
                "left out"
            )

    def choose(self, space: SearchSpace, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """By the space's own rule, with ``none`` as strong as the strongest where that is not enough."""
        kept = {}
        for name, group in strengths.items():
            kept[name] = group = group.detach().clone()
            options = names_of(space, name, group.shape[-1])
            if NONE in options:
                index = options.index(NONE)
                group[:, index] = 0  # what is left out is no choice of its own
                best = group.max(dim=-1).values
                weak = best < self.least
                group[weak] = 0
                group[weak, index] = best[weak].clamp_min(1e-30)
        return space.decode_strengths(kept)

"""At most so many skips in a cell, as in P-DARTS.

Source: Chen et al. 2019, "Progressive Differentiable Architecture Search", arXiv 1904.12760, section 3.3.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.gradient.guards.base import Guard

SKIP = "skip_connect"


class MaxSkips(Guard):
    """The found network has at most so many skips per group of logits: the weakest are taken out, and it is decoded again.

    Args:
        most: Skips of a cell, or of a stage of a chain's layers together.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> import torch
        >>> space, logits = NasBench201(), torch.zeros(6, 5)
        >>> logits[:, space.ops.index("skip_connect")] = torch.arange(6.0) + 1
        >>> kept = MaxSkips(most=2).restrict(space, {"cell": logits.softmax(-1)})
        >>> sum(op == "skip_connect" for op in space.decode_strengths(kept).values())
        2
    """

    def __init__(self, *, most: int = 2) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise ArgumentError(f"guard.most must be a whole number of at least 0, got {most!r}")
        self.most = most

    def restrict(self, space: SearchSpace, strengths: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Takes the strength of the weakest skip of a group away for as long as it has too many."""
        kept = {name: group.detach().clone() for name, group in strengths.items()}
        for name, group in kept.items():
            options = names_of(space, name, group.shape[-1])
            if SKIP not in options:
                continue
            column = options.index(SKIP)
            others = [index for index in range(len(options)) if index != column]
            while others and skips_of(space.decode_strengths(kept), name) > self.most:
                strongest = (group[:, column] > 0).nonzero()[:, 0].tolist()
                if not strongest:
                    break
                weakest = min(strongest, key=lambda row, g=group: float(g[row, column]))  # type: ignore[misc]
                group[weakest, column] = 0
        return kept


def names_of(space: SearchSpace, group: str, count: int) -> tuple[str, ...]:
    """Names of the options of a group, in a joint search those of its part; none where a space has others."""
    part, _, own = group.rpartition("/")
    names = space.named_parts()[part].option_names(own) if part else space.option_names(own)
    return names if len(names) == count else ()


def skips_of(choices: Choices, group: str) -> int:
    """Number of skips that an architecture has in a group of logits."""
    return sum(option == SKIP for decision, option in choices.items() if belongs(decision, group))


def belongs(decision: str, group: str) -> bool:
    """Whether a decision is one of a group of logits, by their names.

    Example:
        >>> belongs("normal.2.op0", "normal"), belongs("backbone/cell.1.0", "backbone/cell"), belongs("reduce.2.op0", "normal")
        (True, True, False)
        >>> belongs("stage0.0", "first"), belongs("stage0.1", "first"), belongs("stage3.2", "rest")
        (True, False, True)
    """
    part, _, own = decision.rpartition("/")
    of_part, _, name = group.rpartition("/")
    if part != of_part:
        return False
    if name in ("first", "rest") and own.startswith("stage"):  # the layers of a chain
        return (own.rpartition(".")[2] == "0") == (name == "first")
    return own.startswith(f"{name}.")

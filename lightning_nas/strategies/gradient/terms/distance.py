"""The distance to the start: logits should not run away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.terms.base import Term


class Distance(Term):
    """``||a - a0||``, the Euclidean distance of all logits to where they have started.

    Source: Chen et al. 2021, "DrNAS", arXiv 2006.10355, section 3.1: a penalty that keeps draws near those of the start.

    Args:
        weight: Of the term.

    Example:
        >>> term = Distance(weight=1e-3)
        >>> term.start({"edge": torch.zeros(1, 2)})
        >>> float(term.value({"edge": torch.tensor([[3.0, 4.0]])}, {}))
        5.0
    """

    def __init__(self, *, weight: float = 0.0) -> None:
        check_between("terms.distance", weight, 0)
        self.weight = self.now = weight
        self._origin: dict[str, Tensor] = {}

    def start(self, logits: Mapping[str, Tensor]) -> None:
        """Remembers them."""
        self._origin = {name: group.detach().clone() for name, group in logits.items()}

    def value(self, logits: Mapping[str, Tensor], mean: Mapping[str, Tensor]) -> Tensor:
        """Of all groups together; its gradient at the start is 0."""
        parts = []
        for name, group in logits.items():
            there = torch.isfinite(group)
            parts.append(torch.where(there, group - self._origin[name].to(group), torch.zeros_like(group)).flatten())
        squared = torch.cat(parts).square().sum()
        at_start = squared == 0  # the root has no gradient there
        return torch.where(at_start, squared, squared.where(~at_start, torch.ones_like(squared)).sqrt())

    def state_dict(self) -> dict[str, Any]:
        """The start."""
        return {"origin": self._origin}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes it back."""
        self._origin = dict(state["origin"])

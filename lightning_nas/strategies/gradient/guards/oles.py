"""OLES: an operation whose weights learn what does not help validation stops learning.

Source: Jiang et al. 2023, "Operation-level Early Stopping for Robustifying Differentiable NAS", NeurIPS 2023, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.guards.base import Guard
from lightning_nas.strategies.gradient.part import check_between


class Oles(Guard):
    """Freezes the weights of a candidate once its gradients on the two halves of the data point in different directions.

    Every step of the weights that follows an architecture step compares, candidate by candidate, its gradients on both halves
    by their cosine. Once the mean over the last ``window`` comparisons is below ``threshold``, its weights rest for the rest of
    the search.

    Args:
        threshold: Of the mean cosine.
        window: Comparisons.

    Attributes:
        frozen: For every candidate with weights, whether they rest.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> guard = Oles(window=1)
        >>> watched = guard.watch(NasBench201(channels=4, cells=1).supernet())
        >>> gradients = [torch.ones_like(p) for parameters in watched for p in parameters]
        >>> any(guard.compare(gradients, gradients)), all(guard.compare(gradients, [-g for g in gradients]))
        (False, True)
    """

    weighs = True

    def __init__(self, *, threshold: float = 0.4, window: int = 20) -> None:
        check_between("guard.threshold", threshold, -1, 1)
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise ArgumentError(f"guard.window must be a whole number of at least 1, got {window!r}")
        self.threshold, self.window = threshold, window
        self.frozen: list[bool] = []
        self._sizes: list[int] = []
        self._cosines: list[list[float]] = []

    def watch(self, supernet: Supernet) -> Sequence[Sequence[nn.Parameter]]:
        """The weights of every candidate that has some.

        Raises:
            ArgumentError: If there are no candidates.
        """
        edges = [module for module in supernet.modules() if isinstance(module, Candidates)]
        if not edges:
            raise ArgumentError(f"guard = Oles: the space {supernet.space.name!r} has no mixed operations to watch")
        watched = [list(candidate.parameters()) for edge in edges for candidate in edge.candidates]
        watched = [parameters for parameters in watched if parameters]
        self._sizes = [len(parameters) for parameters in watched]
        if len(self.frozen) != len(watched):
            self.frozen, self._cosines = [False] * len(watched), [[] for _ in watched]
        return watched

    def compare(self, validation: Sequence[Tensor | None] | None, training: Sequence[Tensor | None]) -> list[bool]:
        """Adds a comparison, where both gradients are there and not 0."""
        if not self._sizes:
            raise ArgumentError("guard: compare comes after watch")
        first = 0
        for number, size in enumerate(self._sizes):
            if validation is not None and not self.frozen[number]:
                cosine = _cosine(validation[first : first + size], training[first : first + size])
                if cosine is not None:
                    self._cosines[number] = [*self._cosines[number], cosine][-self.window :]
                    full = len(self._cosines[number]) == self.window
                    self.frozen[number] = full and sum(self._cosines[number]) / self.window < self.threshold
            first += size
        return self.frozen

    def record(self) -> dict[str, Any]:
        """The share of the candidates whose weights rest."""
        return {"frozen_share": sum(self.frozen) / len(self.frozen)} if self.frozen else {}

    def state_dict(self) -> dict[str, Any]:
        """What rests, and the last comparisons."""
        return {"frozen": list(self.frozen), "cosines": [list(row) for row in self._cosines]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes them back."""
        self.frozen, self._cosines = list(state["frozen"]), [list(row) for row in state["cosines"]]


def _cosine(first: Sequence[Tensor | None], second: Sequence[Tensor | None]) -> float | None:
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    a, b = (torch.cat([pair[side].detach().flatten().double() for pair in pairs]) for side in (0, 1))
    norm = float(a.norm() * b.norm())
    return float(a @ b) / norm if norm > 0 else None

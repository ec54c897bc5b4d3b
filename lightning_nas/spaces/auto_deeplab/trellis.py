"""The trellis of the network level of Auto-DeepLab: layers by resolutions, and paths through it.

Level ``s`` has stride ``4 * 2 ** s``. From one layer to the next a path halves, keeps or doubles the resolution. Source:
Liu et al. 2019, "Auto-DeepLab", arXiv 1901.02985, sections 3.2 and 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from torch import Tensor

LEVELS = 4
"""Strides 4, 8, 16 and 32."""
TRANSITIONS = {"beta_rim": ("finer or same", "same or coarser"), "beta_inner": ("finer", "same", "coarser")}
"""Group of logits -> names of its options."""


class Place(NamedTuple):
    """A node of the trellis. Layer -1 is the stem, at level 0."""

    layer: int
    level: int


@dataclass(frozen=True)
class Trellis:
    """All places that a path can reach, and the transitions between them.

    Transitions that leave a place share a softmax. Those of places on the rim (level 0 and 3), which have two, and those of
    the others, which have three, are two groups of logits: ``beta_rim`` and ``beta_inner``.

    Args:
        layers: Number of layers.
        free_start: Whether the first layer may lie at level 1 already; else it lies at level 0.
    """

    layers: int
    free_start: bool = False

    def levels(self, layer: int) -> range:
        """The levels that paths reach in a layer."""
        deepest = layer + 1 if self.free_start else layer
        return range(min(max(deepest, 0), LEVELS - 1) + 1)

    @staticmethod
    def targets(level: int) -> list[int]:
        """Where a path may go from a level, finest first."""
        return [target for target in (level - 1, level, level + 1) if 0 <= target < LEVELS]

    @cached_property
    def sources(self) -> tuple[Place, ...]:
        """All places that are left with a choice, layer by layer."""
        first = -1 if self.free_start else 0
        return tuple(Place(layer, level) for layer in range(first, self.layers - 1) for level in self.levels(layer))

    @cached_property
    def rows(self) -> dict[str, tuple[Place, ...]]:
        """Per group of logits the place of every row; a group without rows is left out."""
        rim = tuple(place for place in self.sources if len(self.targets(place.level)) == 2)
        inner = tuple(place for place in self.sources if len(self.targets(place.level)) == 3)
        return {name: places for name, places in (("beta_rim", rim), ("beta_inner", inner)) if places}

    @cached_property
    def row_of(self) -> dict[Place, tuple[str, int]]:
        """Place -> group of logits and row."""
        return {place: (group, row) for group, places in self.rows.items() for row, place in enumerate(places)}

    def next_levels(self, layer: int, level: int | None) -> list[int]:
        """The levels that a layer may have after that of the layer before it (None: of the stem)."""
        if layer == 0:
            return list(self.levels(0))
        assert level is not None
        return self.targets(level)

    def count_paths(self) -> int:
        """Number of paths: Fibonacci(2 n + 1) for n transitions."""
        ways = {0: 1}
        transitions = self.layers if self.free_start else self.layers - 1
        for _ in range(transitions):
            following: dict[int, int] = {}
            for level, count in ways.items():
                for target in self.targets(level):
                    following[target] = following.get(target, 0) + count
            ways = following
        return sum(ways.values())

    def probabilities(self, values: Mapping[str, Any]) -> dict[Place, dict[int, float]]:
        """Place -> target level -> value, from the rows of the groups (tensors or lists of lists)."""
        return {
            place: {
                target: float(value)
                for target, value in zip(self.targets(place.level), values[group][row], strict=True)
            }
            for place, (group, row) in self.row_of.items()
        }

    def reached(self, values: Mapping[str, Any]) -> dict[Place, float]:
        """Probability that a path drawn transition by transition passes through each place; 1 for every layer in sum."""
        passed: dict[Place, float] = {Place(-1 if self.free_start else 0, 0): 1.0}
        onward = self.probabilities(values)
        for place in self.sources:
            for target, value in onward[place].items():
                key = Place(place.layer + 1, target)
                passed[key] = passed.get(key, 0.0) + passed.get(place, 0.0) * value
        return passed

    def strongest_path(self, logits: Mapping[str, Tensor]) -> list[int]:
        """The path whose product of transition probabilities is largest, by Viterbi's algorithm.

        Ties go to the lowest earlier level, and at the end to the lowest level.

        Args:
            logits: Of the groups ``beta_rim`` and ``beta_inner``, ``(rows, 2)`` and ``(rows, 3)``.

        Returns:
            The level of every layer.
        """
        steps = self.probabilities({name: logits[name].detach().double().cpu().log_softmax(-1) for name in self.rows})
        best = {0: 0.0}
        back: list[dict[int, int]] = []
        for layer in range(0 if self.free_start else 1, self.layers):
            following: dict[int, float] = {}
            came_from: dict[int, int] = {}
            for level in sorted(best):
                for target, gain in steps[Place(layer - 1, level)].items():
                    total = best[level] + gain
                    if target not in following or total > following[target]:
                        following[target], came_from[target] = total, level
            best = following
            back.append(came_from)
        path = [max(sorted(best), key=lambda level: best[level])]
        for came_from in reversed(back):
            path.append(came_from[path[-1]])
        path.reverse()
        return path[1:] if self.free_start else path

    def path_rows(self, path: Sequence[int]) -> dict[str, tuple[tuple[int, ...], ...]]:
        """For every row of the groups the option that a path takes; none for places that it does not pass."""
        taken: dict[str, list[tuple[int, ...]]] = {name: [() for _ in places] for name, places in self.rows.items()}
        levels = [0, *path] if self.free_start else list(path)
        first = -1 if self.free_start else 0
        for step, (level, target) in enumerate(itertools.pairwise(levels)):
            group, row = self.row_of[Place(first + step, level)]
            taken[group][row] = (self.targets(level).index(target),)
        return {name: tuple(rows) for name, rows in taken.items()}

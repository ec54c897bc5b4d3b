"""A search in stages: networks grow, and the options that are left become fewer.

Source: Chen et al. 2019, "Progressive Differentiable Architecture Search: Bridging the Depth Gap between Search and
Evaluation", arXiv 1904.12760, section 3.2.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import Zero
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces import SearchSpace, Supernet
from lightning_nas.strategies.gradient.part import Part, check_between

SKIP = "skip_connect"

Masks = dict[str, Tensor]
"""Group of logits -> ``(rows, options)``, whether an option is still in the search."""


class Progressive(Part):
    """Every stage is a search of its own from the start, on a larger network and with the options that the last one left.

    After a stage, every row of logits of mixed operations keeps its strongest options. The architecture is that of the last
    stage. Where an architecture can have no ``none``, decoding leaves it out, as always.

    Args:
        options: How many options of every row each stage but the last leaves to the next one.
        grow: Arguments of the space -> their values in each stage, e.g. ``{"cells": [5, 11, 17]}``. They must not change what
            is decided.
        skip_dropout: First rate of the dropout behind skips that are identities, in each stage; none if empty.
        decay: The rate falls as ``exp(-decay * (epoch - start))``.
        start: Epoch from which it falls: that in which logits are first trained.

    Attributes:
        stage: Number of the current stage.
        masks: The options that are left in it; all if empty.

    Example:
        >>> stages = Progressive(options=[2], skip_dropout=[0.0, 0.4], start=0)
        >>> kept = stages.narrowed({}, {"cell": torch.tensor([[0.2, 0.5, 0.3]])})
        >>> kept["cell"].tolist()
        [[False, True, True]]
    """

    def __init__(
        self,
        *,
        options: Sequence[int] = (5, 3),
        grow: Mapping[str, Sequence[Any]] | None = None,
        skip_dropout: Sequence[float] = (),
        decay: float = 0.2,
        start: int = 10,
    ) -> None:
        self.options, self.skip_dropout = tuple(options), tuple(skip_dropout)
        self.grow = {name: tuple(values) for name, values in (grow or {}).items()}
        if not self.options or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in self.options):
            raise ArgumentError(f"stages.options must hold whole numbers of at least 1, got {list(options)!r}")
        lengths = {f"stages.grow.{name}": len(values) for name, values in self.grow.items()}
        lengths |= {"stages.skip_dropout": len(self.skip_dropout)} if self.skip_dropout else {}
        for name, length in lengths.items():
            if length != self.count:
                raise ArgumentError(f"{name} must hold a value per stage, {self.count}, got {length}")
        for rate in self.skip_dropout:
            check_between("stages.skip_dropout", rate, 0, 1)
        check_between("stages.decay", decay, 0)
        check_between("stages.start", start, 0)
        self.decay, self.start = decay, start
        self.stage, self.masks = 0, Masks()
        self._dropouts: list[nn.Dropout] = []

    @property
    def count(self) -> int:
        """Number of stages."""
        return len(self.options) + 1

    def space_of(self, stage: int, space: SearchSpace) -> SearchSpace:
        """The space of a stage.

        Raises:
            ArgumentError: If the space has no such argument, or other decisions then.
        """
        for name in self.grow:
            if name not in {field.name for field in dataclasses.fields(space)}:
                raise ArgumentError(f"stages.grow.{name}: the space {space.name!r} has no such argument")
        grown = dataclasses.replace(space, **{name: values[stage] for name, values in self.grow.items()})
        if grown.decisions != space.decisions:
            said = {name: list(values) for name, values in self.grow.items()}
            raise ArgumentError(f"stages.grow = {said}: the space {space.name!r} has other decisions then")
        return grown

    def enter(self, stage: int, masks: Mapping[str, Tensor]) -> None:
        """Begins a stage with the options that are left."""
        self.stage, self.masks = stage, dict(masks)

    def narrowed(self, masks: Mapping[str, Tensor], strengths: Mapping[str, Tensor]) -> Masks:
        """What a stage leaves to the next one.

        Args:
            masks: The options that it had, all of groups that are not there.
            strengths: Group -> ``(rows, options)``; groups that are not there keep what they have.
        """
        count = self.options[self.stage]
        kept = dict(masks)
        for name, group in strengths.items():
            there = masks.get(name, torch.ones(group.shape, dtype=torch.bool))
            ranked = group.cpu().masked_fill(~there, -torch.inf).argsort(dim=-1, descending=True, stable=True)
            mask = torch.zeros_like(there).scatter(1, ranked[:, :count], True)
            kept[name] = mask & there
        return kept

    def masked(self, name: str, logits: Tensor) -> Tensor:
        """The logits of a group; minus infinity for options that are out."""
        mask = self.masks.get(name)
        return logits if mask is None else logits.masked_fill(~mask.to(logits.device), -torch.inf)

    def adapt(self, supernet: Supernet) -> None:
        """Takes the modules of options that are out, and puts dropout behind skips."""
        rate = self.skip_dropout[self.stage] if self.skip_dropout else 0.0
        for one in supernet.mixed():
            edge = next(module for module in one.module.modules() if isinstance(module, Candidates))
            mask = self.masks[one.group][one.row].tolist() if one.group in self.masks else [True] * len(edge.names)
            for option, there in enumerate(mask):
                candidate = edge.candidates[option]
                if not there:
                    edge.candidates[option] = Zero(edge.in_channels, edge.channels, edge.stride)
                elif rate and edge.names[option] == SKIP and isinstance(candidate, nn.Identity):
                    edge.candidates[option] = nn.Sequential(candidate, nn.Dropout(rate))

    def attach(self, supernet: Supernet) -> None:
        """Takes charge of the dropout of a supernet that was adapted."""
        edges = [module for module in supernet.modules() if isinstance(module, Candidates)]
        parts = [part for edge in edges for candidate in edge.candidates for part in candidate.modules()]
        self._dropouts = [part for part in parts if isinstance(part, nn.Dropout)] if self.skip_dropout else []

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Lowers the dropout."""
        first = self.skip_dropout[self.stage] if self.skip_dropout else 0.0
        for dropout in self._dropouts:
            dropout.p = first * math.exp(-self.decay * max(epoch - self.start, 0))

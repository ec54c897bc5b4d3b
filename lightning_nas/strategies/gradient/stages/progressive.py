"""A search in stages from scratch: networks grow, and the options that are left become fewer.

Source: Chen et al. 2019, "Progressive Differentiable Architecture Search: Bridging the Depth Gap between Search and
Evaluation", arXiv 1904.12760, section 3.2.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces import SearchSpace, Supernet
from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.stages.base import Stages

SKIP = "skip_connect"


class Progressive(Stages):
    """Every stage is a search of its own from the start, on a larger network and with the options that the last one left.

    Args:
        options: How many options of every row each stage but the last leaves to the next one.
        grow: Arguments of the space -> their values in each stage, e.g. ``{"cells": [5, 11, 17]}``. They must not change what
            is decided.
        skip_dropout: First rate of the dropout behind skips that are identities, in each stage; none if empty.
        decay: The rate falls as ``exp(-decay * (epoch - start))``.
        start: Epoch from which it falls: that in which logits are first trained.

    Example:
        >>> stages = Progressive(options=[2], skip_dropout=[0.0, 0.4], start=0)
        >>> stages.count, stages.span(25)
        (2, Span(first=0, end=25, total=25))
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
        super().__init__(options=options)
        self.skip_dropout = tuple(skip_dropout)
        self.grow = {name: tuple(values) for name, values in (grow or {}).items()}
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
        self._dropouts: list[nn.Dropout] = []

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

    def adapt(self, supernet: Supernet) -> None:
        """Takes the modules of options that are out, and puts dropout behind skips."""
        super().adapt(supernet)
        rate = self.skip_dropout[self.stage] if self.skip_dropout else 0.0
        for one in supernet.mixed() if rate else ():
            edge = next(module for module in one.module.modules() if isinstance(module, Candidates))
            for option, name in enumerate(edge.names):
                candidate = edge.candidates[option]
                if name == SKIP and isinstance(candidate, nn.Identity):
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

"""What the stages of a search are: every one leaves fewer options to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import Zero
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces import SearchSpace, Supernet
from lightning_nas.strategies.gradient.adapters import PartialChannels
from lightning_nas.strategies.gradient.part import Part

Masks = dict[str, Tensor]
"""Group of logits -> ``(rows, options)``, whether an option is still in the search."""


class Span(NamedTuple):
    """The epochs of a stage, ``first`` to ``end - 1``, among the ``total`` ones that schedules are made for."""

    first: int
    end: int
    total: int


class Stages(Part):
    """A search in stages: after each, every row of logits of mixed operations keeps its strongest options.

    The architecture is that of the last stage. Where an architecture can have no ``none``, decoding leaves it out, as always.

    Args:
        options: How many options of every row each stage but the last leaves to the next one.

    Attributes:
        keeps_weights: Whether a stage goes on with the weights of the one before; if not, it starts anew.
        stage: Number of the current stage.
        masks: The options that are left in it; all if empty.

    Example:
        >>> stages = Stages(options=[2])
        >>> kept = stages.narrowed({}, {"cell": torch.tensor([[0.2, 0.5, 0.3]])})
        >>> kept["cell"].tolist()
        [[False, True, True]]
    """

    keeps_weights = False

    def __init__(self, *, options: Sequence[int] = (3,)) -> None:
        self.options = tuple(options)
        if not self.options or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in self.options):
            raise ArgumentError(f"stages.options must hold whole numbers of at least 1, got {list(options)!r}")
        self.stage, self.masks = 0, Masks()

    @property
    def count(self) -> int:
        """Number of stages."""
        return len(self.options) + 1

    def span(self, epochs: int) -> Span:
        """The epochs of the current stage.

        Args:
            epochs: Of every stage.
        """
        return Span(0, epochs, epochs)

    def space_of(self, stage: int, space: SearchSpace) -> SearchSpace:
        """The space of a stage.

        Raises:
            ArgumentError: If it cannot be made.
        """
        return space

    def channels_of(self, stage: int, partial: PartialChannels | None) -> PartialChannels | None:
        """The partial channels of a stage.

        Args:
            stage: Its number.
            partial: Those of the first one; None: candidates see all channels.
        """
        return partial

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
        """Takes the modules of options that are out."""
        for one in supernet.mixed():
            if one.group not in self.masks:
                continue
            edge = next(module for module in one.module.modules() if isinstance(module, Candidates))
            for option, there in enumerate(self.masks[one.group][one.row].tolist()):
                if not there:
                    edge.candidates[option] = Zero(edge.in_channels, edge.channels, edge.stride)

    def attach(self, supernet: Supernet) -> None:
        """Takes charge of a supernet that was adapted."""

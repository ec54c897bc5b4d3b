"""The parts that a gradient strategy is made of, and what follows from them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.adapters import AuxiliarySkip, PartialChannels
from lightning_nas.strategies.gradient.base import GradientStrategy
from lightning_nas.strategies.gradient.exclusions import check_parts
from lightning_nas.strategies.gradient.guards import Guard
from lightning_nas.strategies.gradient.part import Part
from lightning_nas.strategies.gradient.perturbations import Perturbation
from lightning_nas.strategies.gradient.samplers import Sampler
from lightning_nas.strategies.gradient.selection import Removal, Selection
from lightning_nas.strategies.gradient.short_names import (
    GUARDS,
    NO_TERMS,
    PERTURBATIONS,
    SAMPLERS,
    SELECTIONS,
    STAGES,
    chosen_terms,
)
from lightning_nas.strategies.gradient.stages import Stages
from lightning_nas.strategies.gradient.terms import Term


class Composition(GradientStrategy):
    """Holds parts; :class:`~lightning_nas.strategies.gradient.composed.Composed` lets them act."""

    def __init__(
        self,
        *,
        sampler: str | Sampler = "softmax",
        partial_channels: int = 1,
        edge_weights: bool = False,
        auxiliary_skip: float = 0.0,
        terms: Mapping[str, float | Term] = NO_TERMS,
        perturbation: str | Perturbation | None = None,
        guard: str | Guard | None = None,
        select: str | Selection = "argmax",
        stages: str | Stages | None = None,
        seed: int = 0,
        order: int = 1,
        hessian: Literal["finite", "exact"] = "finite",
        xi: float | None = None,
        level: Literal["bi", "single"] = "bi",
        lr: float = 3e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 1e-3,
    ) -> None:
        super().__init__(
            order=order, hessian=hessian, xi=xi, level=level, lr=lr, betas=betas, weight_decay=weight_decay
        )
        self.sampler = Sampler.chosen("sampler", sampler, SAMPLERS)
        self.partial_channels = None if partial_channels == 1 else PartialChannels(parts=partial_channels)
        self.edge_weights = edge_weights
        self.auxiliary_skip = None if auxiliary_skip == 0 else AuxiliarySkip(start=auxiliary_skip)
        self.terms = chosen_terms(terms)
        self.perturbation = (
            None if perturbation is None else Perturbation.chosen("perturbation", perturbation, PERTURBATIONS)
        )
        self.guard = None if guard is None else Guard.chosen("guard", guard, GUARDS)
        self.select = Selection.chosen("select", select, SELECTIONS)
        self.stages = None if stages is None else Stages.chosen("stages", stages, STAGES)
        self.removal = self.select if isinstance(self.select, Removal) else None
        self.needs_unused_parameters = self.sampler.hard or self.removal is not None
        check_parts(self)
        self._seed, self.generator = seed, torch.Generator().manual_seed(seed)

    def enter_stage(self, stage: int, masks: Mapping[str, Tensor]) -> None:
        """Begins a stage with the options that are left, and with the partial channels that it has."""
        super().enter_stage(stage, masks)
        assert self.stages is not None
        self.partial_channels = self.stages.channels_of(stage, self.partial_channels)

    @property
    def parts(self) -> dict[str, Part]:
        """All parts that there are, by name."""
        single = ("sampler", "partial_channels", "auxiliary_skip", "perturbation", "guard", "select", "stages")
        found = {name: getattr(self, name) for name in single if getattr(self, name) is not None}
        return {**found, **{f"terms.{name}": term for name, term in self.terms.items()}}

    @property
    def identity(self) -> str:
        """The name alone where nothing is set, so that checkpoints of earlier versions fit."""
        return self._named(self.parts)

    @property
    def unguarded_identity(self) -> str:
        """The same without the guard."""
        return self._named({name: part for name, part in self.parts.items() if name != "guard"})

    def _named(self, parts: Mapping[str, Part]) -> str:
        plain = type(self).__name__
        said = [repr(part) for part in parts.values() if type(part).__name__ not in ("Softmax", "Argmax")]
        said += ["EdgeWeights()"] if self.edge_weights else []
        return f"{plain}({', '.join(said)})" if said else plain

    @property
    def change(self) -> str | None:
        """What the adapters make of a supernet; None if nothing."""
        parts = (self.partial_channels, self.stages, self.auxiliary_skip)
        adapters = [repr(part) for part in parts if part is not None]
        adapters += ["EdgeWeights()"] if self.edge_weights else []
        return ", ".join(adapters) or None

    def state_dict(self) -> dict[str, Any]:
        """That of the generator and of all parts."""
        return {
            "generator": self.generator.get_state(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes it back."""
        if "generator" in state:  # a checkpoint of an earlier version has none
            self.generator.set_state(state["generator"])
        for name, own in state.get("parts", {}).items():
            self.parts[name].load_state_dict(own)

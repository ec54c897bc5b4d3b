"""A gradient strategy made of parts: a sampler, adapters, terms, a perturbation, a guard, a selection.

Who is asked when: ``adapt`` once, when a supernet is found; ``begin_epoch`` at the start of every epoch; ``begin_step``
before each of the two steps; ``relax`` in every forward pass (sampler, perturbation, edge weights); ``penalty`` for every
loss (terms); ``stepped`` after a step of the logits; the guard's ``look`` at the end of an epoch; ``decode`` whenever an
architecture is asked for (mean of the sampler, edge weights, guard, selection).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Option
from lightning_nas.cost import Call
from lightning_nas.spaces import OptionWeights, SearchSpace, Supernet
from lightning_nas.strategies.gradient.adapters import EdgeWeights
from lightning_nas.strategies.gradient.composition import Composition
from lightning_nas.strategies.gradient.guards import Guard
from lightning_nas.strategies.gradient.perturbations.base import Ascent, as_weights
from lightning_nas.strategies.gradient.selection import Argmax


class Composed(Composition):
    """A gradient search that is put together of parts. A part is given as such, or by a short name with its defaults.

    Args:
        sampler: From logits to weights: ``"softmax"``, ``"gumbel_soft"``, ``"gumbel_hard"``, ``"dirichlet"``, ``"sigmoid"``,
            ``"two_paths"``, or a :class:`~lightning_nas.strategies.gradient.samplers.Sampler`.
        partial_channels: Candidates see one of so many parts of the channels; 1 for all channels.
        edge_weights: Whether the edges into a node compete by logits of their own.
        auxiliary_skip: First weight of a skip beside every edge, which fades away; 0 for none.
        terms: Of the logits' loss: ``beta_decay``, ``zero_one``, ``distance``, ``macs``, ``params``, ``latency`` -> a weight,
            or any name -> a :class:`~lightning_nas.strategies.gradient.terms.Term`.
        perturbation: Of the weights of the options in the weight step: ``"random"``, ``"adversarial"``, or a
            :class:`~lightning_nas.strategies.gradient.perturbations.Perturbation`.
        guard: Against collapse: ``"eigenvalue"``, ``"oles"``, ``"max_skips"``, only ``"watch"``, or a
            :class:`~lightning_nas.strategies.gradient.guards.Guard`.
        select: From strengths to an architecture: ``"argmax"``, ``"threshold"``, ``"perturbation"``
            (by what the removal of an option costs), or a
            :class:`~lightning_nas.strategies.gradient.selection.Selection`.
        stages: A search as several: ``"progressive"`` (each from scratch), ``"widening"`` (each goes on with the weights of the
            one before), or :class:`~lightning_nas.strategies.gradient.stages.Stages`.
        seed: Of what is drawn.
        order: 1 takes the weights as they are; 2 differentiates through one virtual weight step.
        hessian: How order 2 finds its second derivatives: ``"finite"`` differences, as published, or ``"exact"``.
        xi: Size of the virtual step of order 2; the current learning rate of the weights if None.
        level: ``"bi"`` trains logits and weights on separate halves of the data, ``"single"`` both on all of it.
        lr: Learning rate of the logits' Adam.
        betas: Decay of Adam's averages of the gradient and of its square.
        weight_decay: Weight decay of the logits.

    Raises:
        ArgumentError: If an argument is out of range, or two parts exclude each other.

    Example:
        >>> strategy = Composed(sampler="dirichlet", partial_channels=4, terms={"beta_decay": 50.0}, guard="eigenvalue")
        >>> strategy.sampler, strategy.partial_channels, strategy.terms["beta_decay"]
        (Dirichlet(), PartialChannels(parts=4), BetaDecay(weight=50.0))
        >>> Composed(sampler="gumbel_hard", perturbation="random")
        Traceback (most recent call last):
        ...
        lightning_nas.errors.ArgumentError: sampler = GumbelHard(tau_start=10.0, tau_end=0.1) and perturbation = ...
    """

    _half = "weights"
    _averaged = False
    _supernet: list[Supernet] = []  # noqa: RUF012 (never changed in place)

    # ---- the supernet -----------------------------------------------------------------------------------------------

    def check(self, space: SearchSpace) -> None:
        """Refuses a space that a part cannot work in."""
        self.select.check(space)
        if self.stages is not None:
            for stage in range(self.stages.count):
                self.stages.space_of(stage, space)

    def adapt(self, supernet: Supernet) -> None:
        """Partial channels, then skips beside the edges, then logits of edges."""
        edges = EdgeWeights() if self.edge_weights else None
        adapters = (self.partial_channels, self.stages, self.auxiliary_skip, edges)
        for adapter in adapters:
            if adapter is not None:
                adapter.adapt(supernet)

    def attach(self, supernet: Supernet) -> None:
        """Takes charge of a supernet, adapted now or before."""
        self._supernet = [supernet]  # in a list, as it is no state of ours
        for part in (self.auxiliary_skip, self.stages, self.select):
            if part is not None:
                part.attach(supernet)
        for term in self.terms.values():
            term.check(supernet)

    def initial(self, supernet: Supernet) -> None:
        """Logits as the sampler wants them to start."""
        with torch.no_grad():
            for group in supernet.logits.values():
                group.copy_(self.sampler.initial(group))
        for term in self.terms.values():
            term.start(dict(supernet.logits.items()))

    def prepare(self, supernet: Supernet, model: nn.Module, call: Callable[[], Call]) -> None:
        """Prices of the terms that have some."""
        choices = supernet.space.decode(supernet.decision_logits()) if self.terms else {}
        for term in self.terms.values():
            term.prepare(supernet, model, call, choices)

    # ---- a step -----------------------------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Hands the epoch on to all parts."""
        for part in self.parts.values():
            part.begin_epoch(epoch, epochs)

    def seed_batch(self, number: int) -> None:
        """Draws anew from here on."""
        self.generator.manual_seed(number + self._seed)

    def begin_step(self, half: str) -> None:
        """Tells the parts that care which step comes."""
        self._half = half
        self.sampler.begin_step(half)

    def relax(self, logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
        """What the sampler makes of the logits, disturbed in a weight step, with the weights of the edges."""
        shares = EdgeWeights.shares(self._supernet[0]) if self.edge_weights and self._supernet else {}
        weights = {}
        for name, group in self._left(logits).items():
            drawn = OptionWeights(self.sampler.mean(group)) if self._averaged else self._drawn(name, group)
            whole = OptionWeights(drawn.values, drawn.active, shares.get(name))
            weights[name] = self.select.applied(name, whole)
        return weights

    def _drawn(self, name: str, logits: Tensor) -> OptionWeights:
        drawn = self.sampler.sample(logits, self.generator)
        if self.perturbation is None or self._half != "weights" or not torch.is_grad_enabled():
            return drawn
        disturbed = self.perturbation.disturb(name, drawn.values, self.generator)
        return OptionWeights(as_weights(disturbed, drawn.values, compete=self.sampler.compete), drawn.active)

    @property
    def attacks(self) -> bool:
        """Whether the perturbation looks for the worst disturbance."""
        return self.perturbation is not None and self.perturbation.attacks

    def attack(self, ascent: Ascent, like: Mapping[str, Tensor]) -> None:
        """Lets the perturbation look for it."""
        if self.perturbation is not None:
            self.perturbation.attack(ascent, like, self.generator)

    def penalty(self, supernet: Supernet) -> Tensor | None:
        """The sum of the terms, each times its weight in this epoch."""
        active = [term for term in self.terms.values() if term.now]
        if not active:
            return None
        logits = self._left(supernet.decision_logits())
        mean = self.mean(logits)
        return torch.stack([term.now * term.value(logits, mean) for term in active]).sum()

    def stepped(self, supernet: Supernet, before: Mapping[str, Tensor]) -> None:
        """Lets the sampler correct the logits after a step."""
        with torch.no_grad():
            for name, group in supernet.logits.items():
                self.sampler.stepped(name, group, before[name])

    # ---- the architecture -------------------------------------------------------------------------------------------

    def averaged(self, on: bool) -> None:
        """Whether passes see the mean of the sampler from now on, instead of draws."""
        self._averaged = on

    def mean(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean weights of the options, without those of the edges."""
        return {name: self.sampler.mean(group) for name, group in self._left(logits).items()}

    def _left(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The logits, minus infinity for options that an earlier stage has put out."""
        if self.stages is None:
            return dict(logits)
        return {name: self.stages.masked(name, group) for name, group in logits.items()}

    def strengths(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What architectures are decoded from: mean weights of the options times weights of their edges."""
        shares = EdgeWeights.shares(self._supernet[0]) if self.edge_weights and self._supernet else {}
        with torch.no_grad():
            found = self.mean({name: group.detach().double() for name, group in logits.items()})
            return {n: group * shares[n].to(group)[:, None] if n in shares else group for n, group in found.items()}

    def decode(self, space: SearchSpace, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture: strengths, limited by the guard, and the selection."""
        restricted = self.guard is not None and type(self.guard).restrict is not Guard.restrict
        if not restricted and not self.edge_weights and isinstance(self.select, Argmax) and self.sampler.by_softmax:
            return space.decode(self._left(logits))
        strengths = self.strengths(logits)
        if self.guard is not None:
            strengths = self.guard.restrict(space, strengths)
        return self.select.choose(space, strengths)

    def record(self) -> dict[str, Any]:
        """What the guard has to say of the epoch."""
        return {} if self.guard is None else self.guard.record()

    @property
    def stopped(self) -> str | None:
        """Why the guard has ended the search."""
        return None if self.guard is None else self.guard.stopped

"""Policies: distributions over the architectures of a space, decision after decision, that a gradient can move.

A policy gives logits for the options that a decision can ever have; those that the earlier choices forbid are masked. So
every policy works on every space, and the probability of an architecture is the product over its decisions.

Shapes: ``B`` architectures, ``K`` options of a decision, ``H`` hidden units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace

Memory = tuple[Tensor, ...]
"""What a policy remembers of the choices so far: tensors whose first dimension is B."""


@dataclass(frozen=True)
class Encoded:
    """Architectures as tensors, one of each kind per decision.

    Args:
        taken: ``(B,)``, the index of the option; 0 where the decision is inactive.
        allowed: ``(B, K)``, which options there were; None: all, everywhere.
        active: ``(B,)``, whether the architecture has the decision; None: all have it.
    """

    taken: tuple[Tensor, ...]
    allowed: tuple[Tensor | None, ...]
    active: tuple[Tensor | None, ...]


class Policy(nn.Module, ABC):
    """An autoregressive distribution over architectures, in float32 on the CPU.

    Args:
        space: The search space.
        temperature: T of ``c * tanh(logits / T)``; None: 1.
        tanh_constant: c, which bounds the logits so that no option dies out; None: no bound, ``logits / T``.

    Raises:
        ValueError: If an argument is not above 0, or the space has no decisions.
    """

    def __init__(self, space: SearchSpace, *, temperature: float | None, tanh_constant: float | None) -> None:
        super().__init__()
        for name, value in (("temperature", temperature), ("tanh_constant", tanh_constant)):
            if value is not None and not value > 0:
                raise ArgumentError(f"{name} must be above 0 or None, got {value}")
        if not space.decisions:
            raise ArgumentError(f"space {space.name!r} has no decisions, so a policy has nothing to learn")
        self.space, self.temperature, self.tanh_constant = space, temperature, tanh_constant
        self.vocabulary: tuple[tuple[Option, ...], ...] = tuple(tuple(space.all_options(d)) for d in space.decisions)
        self._index = [{option: i for i, option in enumerate(options)} for options in self.vocabulary]

    @abstractmethod
    def begin(self, size: int) -> Memory:
        """The memory before the first decision, of ``size`` architectures."""

    @abstractmethod
    def logits(self, position: int, memory: Memory) -> Tensor:
        """``(B, K)`` raw logits of the decision at a position."""

    @abstractmethod
    def remember(self, position: int, memory: Memory, taken: Tensor) -> Memory:
        """The memory after a choice."""

    def squash(self, position: int, logits: Tensor) -> Tensor:
        """``c * tanh(logits / T)`` of the decision at a position."""
        if self.temperature is not None:
            logits = logits / self.temperature
        return logits if self.tanh_constant is None else self.tanh_constant * logits.tanh()

    def log_probabilities(self, position: int, memory: Memory, allowed: Tensor | None) -> Tensor:
        """``(B, K)``; minus infinity where an option is not allowed."""
        logits = self.squash(position, self.logits(position, memory))
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        return logits.log_softmax(dim=-1)

    @torch.no_grad()
    def sample(self, generator: torch.Generator) -> tuple[dict[str, Option], float]:
        """Draws one architecture; also gives the logarithm of its probability."""
        choices: dict[str, Option] = {}
        log_prob, memory = 0.0, self.begin(1)
        for position, decision in enumerate(self.space.decisions):
            options = self.space.options(decision, choices)
            if not options:
                continue
            log_p = self.log_probabilities(position, memory, self._allowed(position, [options]))
            taken = torch.multinomial(log_p[0].exp(), 1, generator=generator)
            choices[decision] = self.vocabulary[position][int(taken)]
            log_prob += float(log_p[0, taken])
            if position < len(self.vocabulary) - 1:
                memory = self.remember(position, memory, taken)
        return choices, log_prob

    def encode(self, batch: Sequence[Choices]) -> Encoded:
        """Architectures as tensors, for :meth:`evaluate`."""
        before: list[dict[str, Option]] = [{} for _ in batch]
        taken, allowed, active = [], [], []
        for position, decision in enumerate(self.space.decisions):
            options = [self.space.options(decision, choices) for choices in before]
            has = [len(some) > 0 for some in options]
            for choices, known, decided in zip(batch, before, has, strict=True):
                if decided:
                    known[decision] = choices[decision]
            index = self._index[position]
            taken.append(torch.tensor([index[known[decision]] if decision in known else 0 for known in before]))
            allowed.append(self._allowed(position, [some or self.vocabulary[position] for some in options]))
            active.append(None if all(has) else torch.tensor(has))
        return Encoded(tuple(taken), tuple(allowed), tuple(active))

    def evaluate(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        """Log-probabilities of architectures, ``(B,)``, and the entropies of their decisions, summed, ``(B,)``.

        The entropy is that of the distributions met on the way to the architecture: its mean over draws is the entropy
        of the policy (chain rule).
        """
        log_probs, entropies = [], []
        for position, log_p in self.distributions(batch):
            taken, allowed, active = batch.taken[position], batch.allowed[position], batch.active[position]
            log_prob = log_p.gather(1, taken[:, None])[:, 0]
            finite = log_p if allowed is None else log_p.masked_fill(~allowed, 0.0)  # 0 * -inf has no gradient
            entropy = -(log_p.exp() * finite).sum(dim=-1)
            log_probs.append(log_prob if active is None else log_prob * active)
            entropies.append(entropy if active is None else entropy * active)
        return torch.stack(log_probs).sum(dim=0), torch.stack(entropies).sum(dim=0)

    def distributions(self, batch: Encoded) -> Iterator[tuple[int, Tensor]]:
        """Positions and log-probabilities, ``(B, K)``, of the decisions on the way to the architectures.

        Decisions that none of them has are left out.
        """
        memory = self.begin(len(batch.taken[0]))
        columns = zip(batch.taken, batch.allowed, batch.active, strict=True)
        for position, (taken, allowed, active) in enumerate(columns):
            if active is not None and not active.any():
                continue
            yield position, self.log_probabilities(position, memory, allowed)
            if position == len(self.vocabulary) - 1:
                break
            after = self.remember(position, memory, taken)
            if active is not None:
                after = tuple(torch.where(active[:, None], new, old) for new, old in zip(after, memory, strict=True))
            memory = after

    def _allowed(self, position: int, options: Sequence[Sequence[Option]]) -> Tensor | None:
        width = len(self.vocabulary[position])
        if all(len(some) == width for some in options):
            return None
        mask = torch.zeros(len(options), width, dtype=torch.bool)
        for row, some in enumerate(options):
            mask[row, [self._index[position][option] for option in some]] = True
        return mask

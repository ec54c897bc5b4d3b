"""The gradient of an architecture step: of the loss on the architecture half, with respect to the logits alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.search.gradient.second_order import VirtualStep
from lightning_nas.strategies import GradientStrategy

Pair = Mapping[str, Any]
"""A batch of each half."""


@dataclass(frozen=True)
class LogitGradient:
    """First order: the weights as they are. Second order: through one virtual step of the weights.

    No gradient of the weights is computed in the first order, none is left behind in the second.

    Args:
        loss: Half and batch -> the loss, None where ``training_step`` skips the batch.
        model: The user's module.
        logits: Architecture parameters.
        weights: All other parameters.
        watched: Those of them whose gradients are wanted, too, in the first order.
        optimizer: Of the weights.
        strategy: Gives the order.
        share: What every batch counts: ``1 / N`` if the weights accumulate the gradients of N batches.
        scale: Loss scale of fp16.
    """

    loss: Callable[[str, Any], Tensor | None]
    model: nn.Module
    logits: list[nn.Parameter]
    weights: list[nn.Parameter]
    watched: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    strategy: GradientStrategy
    share: float
    scale: float

    def of(self, pairs: Sequence[Pair]) -> list[Tensor] | None:
        """One tensor per logit matrix and watched weight, summed over the batches, of this rank; None if all are skipped."""
        return self._second(pairs) if self.strategy.order == 2 else self._first(pairs)

    def _first(self, pairs: Sequence[Pair]) -> list[Tensor] | None:
        total: list[Tensor] | None = None
        mine = {id(p) for p in self.watched}
        wanted = [*self.logits, *self.watched]
        with frozen([p for p in self.weights if id(p) not in mine]):
            for pair in pairs:
                loss = self.loss("architecture", pair["architecture"])
                if loss is None:
                    continue
                found = torch.autograd.grad(loss * (self.share * self.scale), wanted, allow_unused=True)
                parts = [
                    torch.zeros_like(p) if part is None else part / self.scale
                    for part, p in zip(found, wanted, strict=True)
                ]
                total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
        return total

    def _second(self, pairs: Sequence[Pair]) -> list[Tensor] | None:
        seen = []

        def loss(half: str, pair: Pair) -> Tensor | None:
            value = self.loss(half, pair[half])
            if value is None:
                return None
            seen.append(half)
            return value * self.share

        with torch.autocast(self.logits[0].device.type, enabled=False):  # differences of small numbers need float32
            gradients = VirtualStep(
                train_loss=[partial(loss, "weights", pair) for pair in pairs],
                val_loss=[partial(loss, "architecture", pair) for pair in pairs],
                model=self.model,
                logits=self.logits,
                weights=[p for p in self.weights if p.requires_grad],
                optimizer=self.optimizer,
                strategy=self.strategy,
            ).gradient()
        return gradients if "architecture" in seen else None


@contextlib.contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """No graph is built for these parameters inside, whatever happens."""
    before = [p.requires_grad for p in parameters]
    try:
        for p in parameters:
            p.requires_grad_(False)
        yield
    finally:
        for p, required in zip(parameters, before, strict=True):
            p.requires_grad_(required)

"""The second-order gradient of DARTS: through one virtual step of the weights.

Source: Liu, Simonyan, Yang 2019, arXiv 1806.09055, equations 7 and 8.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.search.lightning.distributed import average_over_ranks
from lightning_nas.search.wrapping.traces import untouched
from lightning_nas.spaces import textbook_form
from lightning_nas.strategies import GradientStrategy

Loss = Callable[[], Tensor | None]


@dataclass
class VirtualStep:
    """Gradient of the validation loss after a virtual weight step, with respect to the logits.

    ``w' = w - xi * (momentum * buffer + grad L_train(w) + decay * w)``. The gradient is
    ``grad_a L_val(w', a) - xi * grad_a (grad_w L_train(w, a) . v)`` with ``v = grad_w' L_val(w', a)``; the second term
    is a central difference with ``epsilon = 0.01 / ||v||``, as published, or exact by double backward.

    With several parameter groups ``xi`` is each group's own. Weights come back exactly; BatchNorm statistics and random
    numbers are those of the validation pass alone.

    A loss may be given as several, which are added up, one graph at a time; one that is None counts nothing.

    Args:
        train_loss: Loss on the weights' half.
        val_loss: Loss on the architecture half.
        model: What the training passes change in it is put back, see :func:`~lightning_nas.search.wrapping.traces.untouched`.
        logits: Architecture parameters.
        weights: Trainable weights.
        optimizer: Of the weights: its learning rates, weight decay and momentum buffers.
        strategy: Gives ``xi`` (None for the current learning rates) and ``hessian``; its generator is put back.
    """

    train_loss: Loss | Sequence[Loss]
    val_loss: Loss | Sequence[Loss]
    model: nn.Module
    logits: list[nn.Parameter]
    weights: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    strategy: GradientStrategy

    def gradient(self) -> list[Tensor]:
        """One tensor per logit matrix, not averaged over ranks."""
        settings = {id(p): group for group in self.optimizer.param_groups for p in group["params"]}
        rates = [self._rate(settings.get(id(p), {})) for p in self.weights]
        with _restored(self.weights):
            with _without_trace(self.model, self.strategy):
                train_gradients = average_over_ranks(_grad(self.train_loss, self.weights))
            with torch.no_grad():
                for p, rate, gradient in zip(self.weights, rates, train_gradients, strict=True):
                    p.sub_(rate * self._direction(p, gradient, settings.get(id(p), {})))
            both = _grad(self.val_loss, [*self.logits, *self.weights])
        direct, v = both[: len(self.logits)], average_over_ranks(both[len(self.logits) :])
        scaled = [rate * part for rate, part in zip(rates, v, strict=True)]
        implicit = self._exact(scaled) if self.strategy.hessian == "exact" else self._finite(scaled, max(rates))
        return [d - i for d, i in zip(direct, implicit, strict=True)]

    def _rate(self, group: dict[str, Any]) -> float:
        if self.strategy.xi is not None:
            return self.strategy.xi
        return float(group.get("lr", 0.0))

    def _direction(self, p: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        step = gradient + group.get("weight_decay", 0.0) * p
        buffer = self.optimizer.state.get(p, {}).get("momentum_buffer")
        return step if buffer is None else step + group.get("momentum", 0.0) * buffer

    def _finite(self, scaled: Sequence[Tensor], largest: float) -> list[Tensor]:
        """``grad_a (grad_w L_train . scaled)`` as a difference between ``w + epsilon v`` and ``w - epsilon v``."""
        norm = float(torch.stack([part.double().norm() for part in scaled]).norm()) / largest if largest else 0.0
        if norm == 0.0:
            return [torch.zeros_like(p) for p in self.logits]
        epsilon = 0.01 / norm / largest
        sides = []
        for sign in (1.0, -1.0):
            with _restored(self.weights), _without_trace(self.model, self.strategy):
                with torch.no_grad():
                    for p, part in zip(self.weights, scaled, strict=True):
                        p.add_(part, alpha=sign * epsilon)
                sides.append(_grad(self.train_loss, self.logits))
        return [(plus - minus) / (2 * epsilon) for plus, minus in zip(*sides, strict=True)]

    def _exact(self, scaled: Sequence[Tensor]) -> list[Tensor]:
        """The same by differentiating the gradient; the textbook form of a supernet is differentiable twice."""

        def product(loss: Loss) -> Tensor | None:
            value = loss()
            if value is None:
                return None
            first = torch.autograd.grad(value, self.weights, create_graph=True, allow_unused=True)
            terms = [(g * part).sum() for g, part in zip(first, scaled, strict=True) if g is not None]
            total = torch.stack(terms).sum() if terms else None
            return total if total is not None and total.requires_grad else None

        with _without_trace(self.model, self.strategy), textbook_form(self.model):
            return _grad([partial(product, loss) for loss in _parts(self.train_loss)], self.logits)


def _parts(loss: Loss | Sequence[Loss]) -> Sequence[Loss]:
    return [loss] if callable(loss) else loss


def _grad(losses: Loss | Sequence[Loss], parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    total: list[Tensor | None] = [None] * len(parameters)
    for loss in _parts(losses):
        value = loss()
        if value is not None:
            found = torch.autograd.grad(value, parameters, allow_unused=True)
            total = [a if b is None else b if a is None else a + b for a, b in zip(total, found, strict=True)]
    return [torch.zeros_like(p) if g is None else g for g, p in zip(total, parameters, strict=True)]


@contextlib.contextmanager
def _restored(weights: Sequence[nn.Parameter]) -> Iterator[None]:
    """Weights come back exactly, whatever happens inside."""
    backup = [p.detach().clone() for p in weights]
    try:
        yield
    finally:
        with torch.no_grad():
            for p, saved in zip(weights, backup, strict=True):
                p.copy_(saved)


@contextlib.contextmanager
def _without_trace(model: nn.Module, strategy: GradientStrategy) -> Iterator[None]:
    """What the model holds, random numbers and the strategy's generator are put back afterwards."""
    state = strategy.state_dict()
    with torch.random.fork_rng(), untouched(model):
        try:
            yield
        finally:
            strategy.load_state_dict(state)

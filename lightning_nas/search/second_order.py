"""The second-order gradient of DARTS: through one virtual step of the weights, by finite differences.

Source: Liu, Simonyan, Yang 2019, arXiv 1806.09055, equations 7 and 8.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lightning_nas.strategies import Strategy


def virtual_step_gradient(
    train_loss: Callable[[], Tensor],
    val_loss: Callable[[], Tensor],
    logits: list[nn.Parameter],
    weights: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    strategy: Strategy,
) -> Tensor:
    """Gradient of the validation loss after a virtual weight step, one flat tensor over all logits.

    ``w' = w - xi * (momentum * buffer + grad L_train(w) + decay * w)`` with ``xi`` the current learning rate; the
    implicit term is a central difference with ``epsilon = 0.01 / ||grad_w' L_val||``. Weights come back exactly.
    BatchNorm statistics and random numbers are those of the validation pass alone: the training passes leave no trace.
    """
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    backup = [p.detach().clone() for p in weights]
    xi = float(optimizer.param_groups[0]["lr"])
    try:
        with _without_trace(model, strategy):
            gradients = _gradients(train_loss(), weights)
        with torch.no_grad():
            for p, gradient in zip(weights, gradients, strict=True):
                group = settings.get(id(p), {})
                moment = optimizer.state.get(p, {}).get("momentum_buffer")
                step = gradient + group.get("weight_decay", 0.0) * p
                if moment is not None:
                    step = step + group.get("momentum", 0.0) * moment
                p.sub_(xi * step)
        loss = val_loss()
        all_gradients = torch.autograd.grad(loss, [*logits, *weights], allow_unused=True)
        direct = _flat(all_gradients[: len(logits)], logits)
        direction = _averaged(_filled(all_gradients[len(logits) :], weights))
        norm = torch.sqrt(sum(((d.double() ** 2).sum() for d in direction), torch.zeros((), dtype=torch.double)))
        if float(norm) == 0.0:
            return direct
        epsilon = 0.01 / float(norm)
        sides = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                for p, saved, d in zip(weights, backup, direction, strict=True):
                    p.copy_(saved + sign * epsilon * d)
            with _without_trace(model, strategy):
                sides.append(_flat(torch.autograd.grad(train_loss(), logits, allow_unused=True), logits))
        return direct - xi * (sides[0] - sides[1]) / (2 * epsilon)
    finally:
        with torch.no_grad():
            for p, saved in zip(weights, backup, strict=True):
                p.copy_(saved)


def _gradients(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    return _averaged(_filled(torch.autograd.grad(loss, parameters, allow_unused=True), parameters))


def _filled(gradients: Any, parameters: list[nn.Parameter]) -> list[Tensor]:
    return [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True)]


def _averaged(gradients: list[Tensor]) -> list[Tensor]:
    """Mean over ranks, by one all-reduce of one flat tensor."""
    if not (dist.is_available() and dist.is_initialized()):
        return gradients
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    parts = (flat / dist.get_world_size()).split([g.numel() for g in gradients])
    return [part.view_as(g) for part, g in zip(parts, gradients, strict=True)]


def _flat(gradients: Any, logits: list[nn.Parameter]) -> Tensor:
    return torch.cat([g.detach().flatten() for g in _filled(gradients, logits)])


@contextlib.contextmanager
def _without_trace(model: nn.Module, strategy: Strategy) -> Iterator[None]:
    """Buffers, random numbers and the strategy's generator are put back afterwards."""
    buffers = [(b, b.detach().clone()) for b in model.buffers()]
    state = strategy.state_dict()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, saved in buffers:
                    buffer.copy_(saved)
            strategy.load_state_dict(state)

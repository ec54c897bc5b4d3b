"""The architecture parameters of a search, and the optimizer that alone may move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.search.lightning.distributed import average_over_ranks


class Logits:
    """Keeps the logits of a supernet out of the optimizer of the weights, and steps them with one of their own.

    The Trainer does not know this optimizer, so that a training batch stays one ``global_step`` and callbacks that ask for
    the one optimizer of a module find it.

    Args:
        parameters: The logits.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self._optimizer: torch.optim.Optimizer | None = None
        self._loaded: Mapping[str, Any] | None = None

    def __contains__(self, parameter: object) -> bool:
        return any(parameter is mine for mine in self.parameters)

    def release_from(self, optimizer: torch.optim.Optimizer) -> None:
        """Takes them out of the parameter groups of another optimizer; its groups stay, even an empty one."""
        mine = {id(p) for p in self.parameters}
        for group in optimizer.param_groups:
            if any(id(p) in mine for p in group["params"]):
                group["params"] = [p for p in group["params"] if id(p) not in mine]

    def configure(self, optimizer: torch.optim.Optimizer) -> None:
        """Sets their optimizer, with the state of a checkpoint that was loaded before."""
        self._optimizer = optimizer
        if self._loaded is not None:
            optimizer.load_state_dict(dict(self._loaded))
            self._loaded = None

    def step(self, gradients: Sequence[Tensor]) -> bool:
        """Steps them with gradients that are averaged over the ranks; tells whether these were finite.

        With others, nothing moves.
        """
        assert self._optimizer is not None, "configure_optimizers comes first"
        averaged = average_over_ranks(gradients)
        finite = all(bool(torch.isfinite(gradient).all()) for gradient in averaged)
        if finite:
            for p, gradient in zip(self.parameters, averaged, strict=True):
                p.grad = gradient.to(p.dtype)
            self._optimizer.step()
        self._optimizer.zero_grad()
        return finite

    def state_dict(self) -> Mapping[str, Any] | None:
        """The state of their optimizer, also after a training; None before there is one."""
        return self._loaded if self._optimizer is None else self._optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Takes it back, now if a training is under way, else as soon as there is an optimizer."""
        self._loaded = state
        if self._optimizer is not None:
            self.configure(self._optimizer)

    def forget_optimizer(self) -> None:
        """Before a training, which makes another one."""
        self._optimizer = None

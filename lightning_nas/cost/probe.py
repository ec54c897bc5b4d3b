"""How a module is run to be measured: one image, evaluation mode, no gradients, everything restored."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError


@dataclass(frozen=True)
class Call:
    """The arguments of a forward pass.

    Args:
        args: By position.
        kwargs: By name.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def of(self, module: nn.Module) -> Any:
        """What the module answers."""
        return module(*self.args, **self.kwargs)


def probe_input(module: nn.Module, input_size: Sequence[int], batch_size: int = 1) -> Tensor:
    """Zeros ``(batch_size, *input_size)`` on the device and of the type of the module's first floating parameter.

    Raises:
        ValueError: If ``input_size`` is not ``(C, H, W)`` or ``batch_size`` is not positive.
    """
    if len(input_size) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in input_size):
        raise ArgumentError(f"input_size must be (C, H, W), three positive whole numbers, got {input_size!r}")
    if batch_size < 1:
        raise ArgumentError(f"batch_size must be at least 1, got {batch_size!r}")
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.zeros(batch_size, *input_size, device=like.device, dtype=like.dtype)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards the mode of every submodule and the random numbers are as before."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with random_numbers_kept({p.device for p in module.parameters() if p.is_cuda}), torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            if part.training is not training:
                part.training = training


@contextmanager
def random_numbers_kept(devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Afterwards the global random numbers of Python, NumPy and torch are as before, also after an error.

    Args:
        devices: The GPUs whose random numbers are kept beside those of the CPU.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (a module of somebody's may draw from it)
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002

"""How a module is run to be measured: one image size, evaluation mode, no gradients, everything restored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def probe_input(module: nn.Module, input_size: Sequence[int], batch_size: int = 1) -> Tensor:
    """Zeros ``(batch_size, *input_size)`` on the device and of the type of the module's first floating parameter.

    Raises:
        ValueError: If ``input_size`` is not ``(C, H, W)`` or ``batch_size`` is not positive.
    """
    if len(input_size) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in input_size):
        raise ValueError(f"input_size must be (C, H, W), three positive whole numbers, got {input_size!r}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.zeros(batch_size, *input_size, device=like.device, dtype=like.dtype)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every submodule is in the mode in which it was."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            part.training = training

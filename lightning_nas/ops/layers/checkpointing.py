"""Recomputing activations in the backward pass instead of keeping them: less memory, more time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class Recomputable(nn.Module):
    """A block of a network whose activations can be recomputed.

    Attributes:
        recompute: Whether they are, in training.
    """

    recompute: bool = False

    def maybe_recomputed(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, with its activations kept or recomputed; results and gradients are the same."""
        if not (self.recompute and self.training and torch.is_grad_enabled()):
            return function(*args)
        return checkpoint(
            function, *args, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), kept_statistics(self))
        )


@contextlib.contextmanager
def kept_statistics(module: nn.Module) -> Iterator[None]:
    """The second forward pass on the same batch must not move running statistics again."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        yield
    finally:
        for norm, buffers in zip(norms, before, strict=True):
            for name, buffer in buffers.items():
                norm.get_buffer(name).copy_(buffer)


def set_recompute(network: nn.Module, recompute: bool) -> int:
    """Switches the recomputation of all blocks of a network.

    Returns:
        Number of blocks.
    """
    blocks = [part for part in network.modules() if isinstance(part, Recomputable)]
    for block in blocks:
        block.recompute = recompute
    return len(blocks)

"""Statistics of BatchNorm for one path of a supernet: those of training are a mix of all paths."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.distributed import is_distributed


def has_statistics(module: nn.Module) -> bool:
    """Whether a BatchNorm of a module keeps running statistics, which are a mix of all paths after a training on paths."""
    return any(isinstance(part, _BatchNorm) and part.track_running_stats for part in module.modules())


def recalibrate(module: nn.Module, batches: Iterable[Any], forward: Callable[[Any], Any]) -> int:
    """Estimates the running statistics of all BatchNorms anew: the mean over the batches of their statistics.

    Nothing is trained: weights, modes and gradients are as before. BatchNorms that the forward passes do not reach (those
    of other paths) keep the statistics that they had.

    Source: Guo et al. 2020, arXiv 1904.00420, section 3.4.

    Args:
        module: Any module; may be in evaluation mode.
        batches: What ``forward`` takes.
        forward: Runs the module; only its BatchNorms are in training mode then.

    Returns:
        The number of batches.

    Raises:
        ValueError: If there are no batches.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    modes = {part: part.training for part in module.modules()}
    before = [(norm, norm.momentum, {name: buffer.clone() for name, buffer in norm.named_buffers()}) for norm in norms]
    count = 0
    try:
        module.eval()
        for norm in norms:
            norm.train()
            norm.reset_running_stats()
            norm.momentum = None  # cumulative average
        with torch.no_grad():
            for batch in batches:
                forward(batch)
                count += 1
            _average_over_ranks(norms)
    finally:
        for norm, momentum, buffers in before:
            norm.momentum = momentum
            if int(norm.get_buffer("num_batches_tracked")) == 0:
                for name, buffer in buffers.items():
                    norm.get_buffer(name).copy_(buffer)
        for part, training in modes.items():
            part.training = training
    if count == 0:
        raise ArgumentError("batches must hold at least one batch, got none")
    return count


@contextlib.contextmanager
def batch_statistics(module: nn.Module) -> Iterator[None]:
    """All BatchNorms normalise with the statistics of each batch inside, and leave their running ones untouched.

    The cheap way of judging a path of a supernet, whose running statistics are a mix of all paths: that of the released
    code of ENAS (Pham et al. 2018, arXiv 1802.03268) and of NAS-Bench-201 (Dong, Yang 2020, arXiv 2001.00326). Scores
    depend on what else is in the batch, and need batches of some size.

    Args:
        module: Should be in evaluation mode.
    """
    names = ("running_mean", "running_var")
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    before = [(norm, {name: getattr(norm, name) for name in names}) for norm in norms]
    try:
        for norm in norms:
            norm.running_mean = norm.running_var = None
        yield
    finally:
        for norm, buffers in before:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)


def _average_over_ranks(norms: Sequence[_BatchNorm]) -> None:
    """Ranks have seen different batches: the mean of their statistics, in one reduction."""
    if not is_distributed():
        return
    buffers = [buffer for norm in norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None]
    flat = torch.cat([buffer.reshape(-1) for buffer in buffers])
    dist.all_reduce(flat)
    for buffer, mean in zip(buffers, (flat / dist.get_world_size()).split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(mean.view_as(buffer))

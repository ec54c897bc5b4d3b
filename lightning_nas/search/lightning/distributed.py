"""What ranks have to agree on: averaged gradients, equal logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def is_distributed() -> bool:
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def average_over_ranks(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Mean of every tensor over the ranks, by one all-reduce of one flat tensor.

    ``autograd.grad`` skips the hooks by which DDP averages, so gradients taken with it come here.
    """
    if not is_distributed():
        return list(tensors)
    flat = torch.cat([t.detach().flatten() for t in tensors])
    dist.all_reduce(flat)
    parts = (flat / dist.get_world_size()).split([t.numel() for t in tensors])
    return [part.view_as(t) for part, t in zip(parts, tensors, strict=True)]


def of_first_rank(value: T) -> T:
    """What rank 0 has, on all ranks: for what each of them measures differently, e.g. time."""
    if not is_distributed():
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def check_equal_on_ranks(tensors: Sequence[Tensor], what: str) -> None:
    """Compares tensors with those of rank 0.

    Raises:
        RuntimeError: On all ranks, if any rank has other values.
    """
    if not is_distributed():
        return
    mine = torch.cat([t.detach().flatten() for t in tensors])
    first = mine.clone()
    dist.broadcast(first, src=0)
    differ = torch.tensor(float(not torch.equal(mine, first)), device=mine.device)
    dist.all_reduce(differ)
    if differ.item():
        raise RuntimeError(
            f"{what} differ on {int(differ.item())} of {dist.get_world_size()} ranks from those of rank 0: "
            "some rank drew other random numbers or stepped on its own"
        )

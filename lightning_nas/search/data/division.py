"""Parts of a user's loader: loaders over some of its samples, in all else like it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset, SubsetRandomSampler

from lightning_nas.search.data.loader import EpochSampler, ResumableLoader
from lightning_nas.search.data.samplers import sampler_of_part

_REPLACED = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "drop_last", "generator")
"""Arguments of a ``DataLoader`` that a part has of its own."""

_PARAMETERS = tuple(inspect.signature(DataLoader).parameters.values())

_INSTEAD = (
    "let train_dataloader return {'weights': loader, 'architecture': loader}, a loader of its own for each half, or "
    "search with level='single'"
)


def why_indivisible(loader: Any) -> str | None:
    """Why a loader cannot be divided by its samples, and what to do; None if it can."""
    if isinstance(loader, dict | list | tuple) or not isinstance(loader, DataLoader):
        return f"train_dataloader must return one DataLoader, got {type(loader).__name__}: {_INSTEAD}"
    if isinstance(loader.dataset, IterableDataset):
        return f"{type(loader.dataset).__name__} is iterable and cannot be divided by its samples: {_INSTEAD}"
    if not hasattr(loader.dataset, "__len__"):
        return f"{type(loader.dataset).__name__} has no length and cannot be divided by its samples: {_INSTEAD}"
    if loader.batch_sampler is not None and type(loader.batch_sampler) is not BatchSampler:
        name = type(loader.batch_sampler).__name__
        return f"batch_sampler = {name} groups samples in a way that halves do not keep: {_INSTEAD}"
    if type(loader).__iter__ not in (DataLoader.__iter__, ResumableLoader.__iter__):
        return f"{type(loader).__name__} makes its batches in a way of its own, which halves do not keep: {_INSTEAD}"
    return None


def samples_of(loader: DataLoader[Any]) -> Dataset[Any]:
    """What a loader draws from: its data set, or those samples of it to which a ``SubsetRandomSampler`` keeps."""
    sampler = _sampler(loader)
    return Subset(loader.dataset, list(sampler.indices)) if type(sampler) is SubsetRandomSampler else loader.dataset


def part_of(
    loader: DataLoader[Any], part: Sequence[int], *, seed: int, epoch: int = 0, in_order: bool = False
) -> ResumableLoader:
    """A loader over some samples of another one's: sampler, batch size, workers and all else are kept.

    The order follows from seed and epoch, and the samples are shared out over the ranks. A last, smaller batch is kept where
    the other loader keeps it, and where there is less than one batch for every rank.

    Args:
        loader: The other one; must be divisible.
        part: Positions in :func:`samples_of`.
        seed: Of the order.
        epoch: The first one.
        in_order: Whether to leave the order as it is.

    Raises:
        TypeError: If its sampler cannot be kept on a part.
    """
    samples: Any = samples_of(loader)
    subset = samples is not loader.dataset
    sampler = (
        EpochSampler(len(part), seed=seed, epoch=epoch)
        if subset and not in_order
        else sampler_of_part(_sampler(loader), part, len(samples), seed=seed, epoch=epoch, in_order=in_order)
    )
    batches: Any = loader.batch_sampler
    size: Any = None if batches is None else batches.batch_size
    return ResumableLoader(
        Subset(samples, list(part)),
        batch_size=size,
        sampler=sampler,
        generator=sampler.generator,
        drop_last=batches is not None and batches.drop_last and len(sampler) >= size,
        **_kept(loader),
    )


def _sampler(loader: DataLoader[Any]) -> Any:
    return loader.sampler if loader.batch_sampler is None else loader.batch_sampler.sampler  # type: ignore[attr-defined]


def _kept(loader: DataLoader[Any]) -> dict[str, Any]:
    values = {
        p.name: getattr(loader, p.name) for p in _PARAMETERS if p.name not in _REPLACED and hasattr(loader, p.name)
    }
    return {p.name: values[p.name] for p in _PARAMETERS if p.name in values and values[p.name] is not p.default}

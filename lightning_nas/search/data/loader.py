"""Samples in an order that follows from seed and epoch, from any place in an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.search.lightning.families import pl


class EpochSampler(DistributedSampler[int]):
    """A random order that follows from seed and epoch alone, so that a resumed run sees the same batches.

    Ranks share it in turns: batch ``k`` of all ranks together holds the samples of batch ``k`` of a single process with
    a batch as large as theirs together. The remainder that cannot be shared evenly is left out. The Trainer calls
    :meth:`set_epoch`.

    Args:
        count: Number of samples.
        seed: Of the order.
        epoch: The first one. A loader with workers begins to fetch before the Trainer calls :meth:`set_epoch`.

    Attributes:
        generator: For the ``DataLoader``, which seeds its workers from it: follows from seed and epoch as well.
    """

    def __init__(self, count: int, *, seed: int, epoch: int = 0) -> None:
        distributed = is_distributed()
        super().__init__(
            range(count),  # type: ignore[arg-type]  # only its length is read
            num_replicas=dist.get_world_size() if distributed else 1,
            rank=dist.get_rank() if distributed else 0,
            seed=seed,
            drop_last=True,
        )
        self.count = count
        self.generator = torch.Generator()
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Chooses order and worker seeds of an epoch."""
        super().set_epoch(epoch)
        entropy = [self.seed, epoch, self.rank]
        self.generator.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))

    def order(self) -> list[int]:
        """The samples of all ranks, in the order of this epoch."""
        order: list[int] = np.random.default_rng([self.seed, self.epoch]).permutation(self.count).tolist()
        return order

    def __iter__(self) -> Iterator[int]:
        return iter(self.order()[: self.total_size][self.rank :: self.num_replicas])


class ResumableLoader(DataLoader[Any]):
    """A ``DataLoader`` that a checkpoint within an epoch takes back to its place.

    Lightning calls :meth:`state_dict` and :meth:`load_state_dict`. The batches before that place are loaded and thrown
    away, so that workers draw the same random numbers as before.
    """

    _given = 0
    _resumed_at = 0

    def __iter__(self) -> Any:
        """The batches that are left of the epoch."""
        self._given, self._resumed_at = self._resumed_at, 0
        batches = super().__iter__()
        for _ in range(self._given):
            next(batches)
        return self._counted(batches)

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Number of batches of this epoch that were given out."""
        return {"batches": self._given % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begins the next pass after so many batches."""
        self._resumed_at = state["batches"]


def shuffled(
    dataset: Dataset[Any], *, batch_size: int, seed: int, trainer: pl.Trainer | None = None, **arguments: Any
) -> ResumableLoader:
    """A loader whose order, and that of a resumed run, follows from the seed; a last, smaller batch is dropped.

    Args:
        dataset: With a length. Where it has less than one batch for every rank, the small batch is kept.
        batch_size: Samples of a batch.
        seed: Of the order.
        trainer: Knows the epoch of a run that is resumed.
        arguments: Others of a ``DataLoader``.
    """
    # While a fit resumes, `current_epoch` is not up to date yet; `processed` counts the epochs done.
    progress: Any = None if trainer is None else trainer.fit_loop.epoch_progress.current
    count = len(dataset)  # type: ignore[arg-type]
    order = EpochSampler(count, seed=seed, epoch=0 if progress is None else progress.processed)
    return ResumableLoader(
        dataset,
        batch_size=batch_size,
        sampler=order,
        generator=order.generator,
        drop_last=len(order) >= batch_size,
        **arguments,
    )


def in_order(dataset: Dataset[Any], **arguments: Any) -> DataLoader[Any]:
    """A loader for evaluation: every sample once, shared out over the ranks without repeats.

    (Lightning's own choice repeats some where the ranks cannot share evenly, which changes metrics.)

    Args:
        dataset: With a length.
        arguments: Of a ``DataLoader``.
    """
    if not is_distributed():
        return DataLoader(dataset, **arguments)
    sampler = pl.overrides.distributed.UnrepeatedDistributedSampler(
        dataset, dist.get_world_size(), dist.get_rank(), shuffle=False
    )
    return DataLoader(dataset, sampler=sampler, **arguments)

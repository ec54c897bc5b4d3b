"""The two halves of a training set: one for the weights, one for the logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.utilities import CombinedLoader
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset

from lightning_nas.search.distributed import is_distributed
from lightning_nas.search.wrapped import HALVES, bind_batch_hooks


class BilevelDataModule(pl.LightningDataModule):
    """Splits the training set of any data module; validation and test data stay as they are.

    Training batches are ``{"weights": batch, "architecture": batch}``.

    Args:
        datamodule: An ordinary data module whose ``train_dataloader`` returns one map-style ``DataLoader``.
        seed: Of the split and of the order of both halves.
        fraction: Share of the training set that trains the weights.
        mode: What happens when one half is longer: ``"min_size"`` ends with the shorter one, ``"max_size_cycle"``
            repeats it.
        stratify: Keep class shares equal in both halves, where the data set has ``targets`` or is a ``TensorDataset``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        datamodule: Any,
        *,
        seed: int = 0,
        fraction: float = 0.5,
        mode: Literal["min_size", "max_size_cycle"] = "min_size",
        stratify: bool = True,
    ) -> None:
        super().__init__()
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
        if mode not in ("min_size", "max_size_cycle"):
            raise ValueError(f"mode must be 'min_size' or 'max_size_cycle', got {mode!r}")
        self.datamodule, self.seed, self.fraction = datamodule, seed, fraction
        self.mode, self.stratify = mode, stratify
        bind_batch_hooks(self, datamodule)

    def prepare_data(self) -> None:
        """That of the wrapped data module."""
        self.datamodule.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """That of the wrapped data module."""
        self.datamodule.setup(stage)

    def split(self, dataset: Dataset[Any]) -> tuple[list[int], list[int]]:
        """Indices of the weights' half and of the logits' half."""
        count = len(dataset)  # type: ignore[arg-type]
        targets = _targets(dataset) if self.stratify else None
        first, second = train_test_split(
            np.arange(count), train_size=self.fraction, random_state=self.seed, stratify=targets
        )
        return sorted(first.tolist()), sorted(second.tolist())

    def train_dataloader(self) -> CombinedLoader:
        """Both halves, side by side.

        Raises:
            TypeError: If the wrapped data module does not return one ``DataLoader``.
        """
        loader = self.datamodule.train_dataloader()
        if not isinstance(loader, DataLoader):
            raise TypeError(f"train_dataloader must return one DataLoader, got {type(loader).__name__}")
        halves = dict(zip(HALVES, self.split(loader.dataset), strict=True))
        loaders = {
            half: self._loader(loader, halves[half], seed=self.seed + offset) for offset, half in enumerate(HALVES)
        }
        return CombinedLoader(loaders, self.mode)

    def _loader(self, whole: DataLoader[Any], indices: list[int], seed: int) -> DataLoader[Any]:
        """A loader over some samples, in all else like that of the wrapped data module."""
        # While a fit resumes, `current_epoch` is not up to date yet; `processed` counts the epochs done.
        progress: Any = None if self.trainer is None else self.trainer.fit_loop.epoch_progress.current
        epoch = 0 if progress is None else progress.processed
        order = EpochSampler(len(indices), seed=seed, epoch=epoch)
        return DataLoader(
            Subset(whole.dataset, indices),
            batch_size=whole.batch_size,
            sampler=order,
            generator=order.generator,
            num_workers=whole.num_workers,
            collate_fn=whole.collate_fn,
            pin_memory=whole.pin_memory,
            timeout=whole.timeout,
            worker_init_fn=whole.worker_init_fn,
            drop_last=len(order) >= (whole.batch_size or 1),
        )

    def val_dataloader(self) -> Any:
        """That of the wrapped data module."""
        return _loaders(self.datamodule, "val_dataloader")

    def test_dataloader(self) -> Any:
        """That of the wrapped data module."""
        return _loaders(self.datamodule, "test_dataloader")


def _loaders(datamodule: Any, name: str) -> Any:
    """What a hook returns, or no loaders where the data module inherits Lightning's own, which only raises."""
    method = getattr(datamodule, name)
    return [] if method.__func__.__qualname__.startswith("DataHooks.") else method()


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

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        return iter(order[: self.total_size][self.rank :: self.num_replicas].tolist())


def _targets(dataset: Any) -> np.ndarray | None:
    if isinstance(dataset, Subset):
        whole = _targets(dataset.dataset)
        return None if whole is None else whole[list(dataset.indices)]
    if hasattr(dataset, "targets"):
        return np.asarray(dataset.targets)
    if isinstance(dataset, torch.utils.data.TensorDataset) and dataset.tensors[-1].dim() == 1:
        return dataset.tensors[-1].numpy()
    return None

"""The two halves of a training set: one for the weights, one for the logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset, Sampler, Subset


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
        halves = self.split(loader.dataset)
        loaders = {
            name: DataLoader(
                Subset(loader.dataset, indices),
                batch_size=loader.batch_size,
                sampler=EpochSampler(len(indices), seed=self.seed + offset),
                num_workers=loader.num_workers,
                collate_fn=loader.collate_fn,
                pin_memory=loader.pin_memory,
                drop_last=len(indices) >= (loader.batch_size or 1),
                persistent_workers=False,
            )
            for offset, (name, indices) in enumerate(zip(("weights", "architecture"), halves, strict=True))
        }
        return CombinedLoader(loaders, self.mode)

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


class EpochSampler(Sampler[int]):
    """A random order that depends on seed and epoch alone, so that a resumed run sees the same batches.

    The Trainer calls :meth:`set_epoch`.
    """

    def __init__(self, count: int, *, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of an epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.count).tolist())

    def __len__(self) -> int:
        return self.count


def _targets(dataset: Any) -> np.ndarray | None:
    if isinstance(dataset, Subset):
        whole = _targets(dataset.dataset)
        return None if whole is None else whole[list(dataset.indices)]
    if hasattr(dataset, "targets"):
        return np.asarray(dataset.targets)
    if isinstance(dataset, torch.utils.data.TensorDataset) and dataset.tensors[-1].dim() == 1:
        return dataset.tensors[-1].numpy()
    return None

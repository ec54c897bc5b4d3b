"""The two halves of a training set: one for the weights, one for the logits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset, Subset

from lightning_nas.search.loader import shuffled
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
        return CombinedLoader(self._halves(), self.mode)

    def _halves(self) -> dict[str, DataLoader[Any]]:
        loader = self.datamodule.train_dataloader()
        if not isinstance(loader, DataLoader):
            raise TypeError(f"train_dataloader must return one DataLoader, got {type(loader).__name__}")
        halves = dict(zip(HALVES, self.split(loader.dataset), strict=True))
        return {half: self._loader(loader, halves[half], seed=self.seed + offset) for offset, half in enumerate(HALVES)}

    def _loader(self, whole: DataLoader[Any], indices: list[int], seed: int) -> DataLoader[Any]:
        """A loader over some samples, in all else like that of the wrapped data module."""
        return shuffled(
            Subset(whole.dataset, indices),
            seed=seed,
            trainer=self.trainer,
            batch_size=whole.batch_size or 1,
            num_workers=whole.num_workers,
            collate_fn=whole.collate_fn,
            pin_memory=whole.pin_memory,
            timeout=whole.timeout,
            worker_init_fn=whole.worker_init_fn,
        )

    def val_dataloader(self) -> Any:
        """That of the wrapped data module."""
        return _loaders(self.datamodule, "val_dataloader")

    def test_dataloader(self) -> Any:
        """That of the wrapped data module."""
        return _loaders(self.datamodule, "test_dataloader")


class WeightsHalf(BilevelDataModule):
    """Trains on the weights' half alone; the other one is there for who asks: the controller of ENAS.

    The same split as that of :class:`BilevelDataModule`, for tasks under a plain Trainer.

    Args:
        datamodule: See there, as ``seed``, ``fraction`` and ``stratify``.
        seed: See there.
        fraction: See there.
        stratify: See there.
    """

    def __init__(self, datamodule: Any, *, seed: int = 0, fraction: float = 0.5, stratify: bool = True) -> None:
        super().__init__(datamodule, seed=seed, fraction=fraction, stratify=stratify)

    def train_dataloader(self) -> Any:
        """The weights' half."""
        halves = self._halves()
        self._architecture = halves["architecture"]  # of the same data set, should that be made anew each time
        return halves["weights"]

    def architecture_dataloader(self) -> DataLoader[Any]:
        """The other half, which trains no weights; there is one once a Trainer has asked for the first."""
        return self._architecture


def _loaders(datamodule: Any, name: str) -> Any:
    """What a hook returns, or no loaders where the data module inherits Lightning's own, which only raises."""
    method = getattr(datamodule, name)
    return [] if method.__func__.__qualname__.startswith("DataHooks.") else method()


def _targets(dataset: Any) -> np.ndarray | None:
    if isinstance(dataset, Subset):
        whole = _targets(dataset.dataset)
        return None if whole is None else whole[list(dataset.indices)]
    if hasattr(dataset, "targets"):
        return np.asarray(dataset.targets)
    if isinstance(dataset, torch.utils.data.TensorDataset) and dataset.tensors[-1].dim() == 1:
        return dataset.tensors[-1].numpy()
    return None

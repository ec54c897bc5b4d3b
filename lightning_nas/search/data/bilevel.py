"""The two halves of a training set: one for the weights, one for the logits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset, Subset

from lightning_nas.errors import ArgumentError
from lightning_nas.search.data.division import part_of, samples_of, why_indivisible
from lightning_nas.search.data.halves import HALVES, Halves, has_halves
from lightning_nas.search.data.wrapped import WrappedData
from lightning_nas.search.lightning.families import family_of
from lightning_nas.search.lightning.privates import is_idle


class BilevelDataModule(WrappedData):
    """Splits the training set of any data module; validation, test and prediction data stay as they are.

    Training batches are ``{"weights": batch, "architecture": batch}``. Each half is loaded as the whole would be: with its
    sampler kept on the half, its batch size, its last, smaller batch or none, its workers. Samples, their order and what
    workers draw follow from seed and epoch.

    Whoever has data for both halves gives them by ``train_dataloader`` as ``{"weights": loader, "architecture": loader}``, and
    nothing is split. So can iterable data, loaders with a batch sampler of their own, and several sources at once be searched
    on; such loaders are taken as they are, and have to share samples out over the ranks themselves.

    Args:
        datamodule: An ordinary data module; or a LightningModule that brings its own loaders, or a loader of training batches.
        seed: Of the split and of the order of both halves.
        fraction: Share of the training set that trains the weights.
        mode: What happens when one half is longer: ``"min_size"`` ends with the shorter one, ``"max_size_cycle"``
            repeats it.
        stratify: Keep class shares equal in both halves, where the data set has ``targets`` or is a ``TensorDataset``.
        val_dataloaders: Validation loaders, beside a loader of training batches.

    Raises:
        TypeError: If there are no training batches in what is given.
        ValueError: If an argument is out of range.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> images = TensorDataset(torch.zeros(8, 3, 4, 4), torch.arange(8) % 2)
        >>> data = BilevelDataModule(DataLoader(images, batch_size=2))
        >>> batch, _, _ = next(iter(data.train_dataloader()))
        >>> sorted(batch)
        ['architecture', 'weights']
    """

    def __init__(
        self,
        datamodule: Any,
        *,
        seed: int = 0,
        fraction: float = 0.5,
        mode: Literal["min_size", "max_size_cycle"] = "min_size",
        stratify: bool = True,
        val_dataloaders: Any = None,
    ) -> None:
        if not 0 < fraction < 1:
            raise ArgumentError(f"fraction must be between 0 and 1, got {fraction}")
        if mode not in ("min_size", "max_size_cycle"):
            raise ArgumentError(f"mode must be 'min_size' or 'max_size_cycle', got {mode!r}")
        # Before the data module is hosted: from then on, names that it has are set there.
        self.seed, self.fraction, self.mode, self.stratify = seed, fraction, mode, stratify
        super().__init__(datamodule, val_dataloaders)

    def split(self, dataset: Dataset[Any]) -> tuple[list[int], list[int]]:
        """Indices of the weights' half and of the logits' half."""
        count = len(dataset)  # type: ignore[arg-type]
        targets = _targets(dataset) if self.stratify else None
        first, second = train_test_split(
            np.arange(count), train_size=self.fraction, random_state=self.seed, stratify=targets
        )
        return sorted(first.tolist()), sorted(second.tolist())

    def train_dataloader(self) -> Any:
        """Both halves, side by side.

        Raises:
            TypeError: If the training set cannot be split.
            ValueError: If a half has no batch.
        """
        weights, architecture = self._halves()
        halves = Halves(
            weights,
            architecture,
            mode=self.mode,
            epoch=self._epoch,
            accumulated=self._accumulated,
            limit=lambda: float("inf") if self.trainer is None else self.trainer.num_training_batches,
        )
        return family_of(self.trainer).utilities.CombinedLoader(halves, "min_size")

    def _halves(self) -> tuple[Any, Any]:
        loader = self.datamodule.train_dataloader()
        if has_halves(loader):
            weights, architecture = (self._whole(loader[half], offset) for offset, half in enumerate(HALVES))
        else:
            if (reason := why_indivisible(loader)) is not None:
                raise TypeError(reason)
            weights, architecture = (
                self._part(loader, part, offset) for offset, part in enumerate(self.split(samples_of(loader)))
            )
        return weights, architecture

    def _whole(self, loader: Any, offset: int) -> Any:
        if why_indivisible(loader) is not None:
            return loader
        return self._part(loader, range(len(samples_of(loader))), offset)  # type: ignore[arg-type]

    def _part(self, loader: DataLoader[Any], part: Any, offset: int) -> DataLoader[Any]:
        in_order = self.trainer is not None and self.trainer.overfit_batches > 0
        return part_of(loader, part, seed=self.seed + offset, epoch=self._epoch(), in_order=in_order)

    def _epoch(self) -> int:
        """The epoch that begins; while a fit resumes, ``current_epoch`` is not up to date yet."""
        return 0 if self.trainer is None else int(self.trainer.fit_loop.epoch_progress.current.processed)

    def _accumulated(self) -> int:
        """The number of batches that belong to one step."""
        return 1 if self.trainer is None or is_idle(self.trainer) else int(self.trainer.accumulate_grad_batches)


class WeightsHalf(BilevelDataModule):
    """Trains on the weights' half alone; the other one is there for who asks: the controller of ENAS.

    The same split as that of :class:`BilevelDataModule`, for tasks under a plain Trainer.

    Args:
        datamodule: An ordinary data module; or a LightningModule that brings its own loaders, or a loader of training batches.
        seed: Seed of the split and of the order of both halves.
        fraction: Share of the training set that trains the weights.
        stratify: Keep class shares equal in both halves, where the data set has ``targets`` or is a ``TensorDataset``.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> images = TensorDataset(torch.zeros(8, 3, 4, 4), torch.arange(8) % 2)
        >>> data = WeightsHalf(DataLoader(images, batch_size=2))
        >>> len(data.train_dataloader()), len(data.architecture_dataloader())
        (2, 2)
    """

    def __init__(self, datamodule: Any, *, seed: int = 0, fraction: float = 0.5, stratify: bool = True) -> None:
        super().__init__(datamodule, seed=seed, fraction=fraction, stratify=stratify)

    def train_dataloader(self) -> Any:
        """The weights' half."""
        weights, self._architecture = self._halves()  # of the same data set, should that be made anew each time
        return weights

    def architecture_dataloader(self) -> DataLoader[Any]:
        """The other half, which trains no weights; there is one once a Trainer has asked for the first."""
        return self._architecture


def _targets(dataset: Any) -> np.ndarray | None:
    """The classes of all samples; None where the data set does not say, or what it says are no classes."""
    if isinstance(dataset, Subset):
        whole = _targets(dataset.dataset)
        return None if whole is None else whole[list(dataset.indices)]
    if hasattr(dataset, "targets"):
        targets = np.asarray(dataset.targets)
    elif isinstance(dataset, torch.utils.data.TensorDataset):
        targets = dataset.tensors[-1].numpy()
    else:
        return None
    return targets if targets.ndim == 1 and targets.dtype.kind in "biuUS" else None

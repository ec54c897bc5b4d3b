"""Few random validation batches, to score many paths with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.distributed as dist
from torch.utils.data import DataLoader, Subset

from lightning_nas.errors import ArgumentError
from lightning_nas.search.data.loader import in_order
from lightning_nas.search.data.wrapped import WrappedData
from lightning_nas.search.lightning.distributed import is_distributed


class ScreeningData(WrappedData):
    """Any data module with a validation set of few batches of random images, always the same.

    The first batches of a validation set will not do: many are sorted by class.

    Args:
        datamodule: The data module. Where it has several validation loaders, or one of a stream, they stay as they are.
        batches: Validation batches that are kept, on each rank.
        seed: Of the choice.

    Raises:
        ValueError: If ``batches`` is below 1.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from lightning_nas.search.lightning.families import LightningDataModule
        >>> class Data(LightningDataModule):
        ...     def val_dataloader(self):
        ...         return DataLoader(TensorDataset(torch.arange(100)), batch_size=5)
        >>> len(ScreeningData(Data(), batches=2).val_dataloader())
        2
    """

    def __init__(self, datamodule: Any, *, batches: int = 1, seed: int = 0) -> None:
        if batches < 1:
            raise ArgumentError(f"batches must be at least 1, got {batches}")
        # Before the data module is hosted: from then on, names that it has are set there.
        self.batches, self.seed = batches, seed
        super().__init__(datamodule)

    def train_dataloader(self) -> Any:
        """The training batches of the hosted data module."""
        return self.datamodule.train_dataloader()

    def val_dataloader(self) -> Any:
        """A random part of the validation images of the hosted data module."""
        whole = self.datamodule.val_dataloader()
        if not isinstance(whole, DataLoader) or not hasattr(whole.dataset, "__len__"):
            return whole
        size = whole.batch_size or 1
        ranks = dist.get_world_size() if is_distributed() else 1
        order = np.random.default_rng(self.seed).permutation(len(whole.dataset))
        return in_order(
            Subset(whole.dataset, order[: self.batches * size * ranks].tolist()),
            batch_size=size,
            num_workers=whole.num_workers,
            collate_fn=whole.collate_fn,
            pin_memory=whole.pin_memory,
            worker_init_fn=whole.worker_init_fn,
        )

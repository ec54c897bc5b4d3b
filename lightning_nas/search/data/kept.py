"""Batches that are read once and given out many times: every path of a supernet is judged on the same ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from lightning_nas.search.data.wrapped import WrappedData
from lightning_nas.search.lightning.distributed import is_distributed

MOST_BYTES = 2**30
"""Of the batches of a loader that are kept; those of a larger one are read every time."""


class KeptBatches:
    """The batches of a loader, in the order of its first pass; each pass gets copies, so that none can spoil the next one's.

    As far as they have been asked for they are read once. Where they turn out too large, or hold what has no known size, none
    is kept, and every pass reads them.

    Attributes:
        gave_up: Whether that is so.

    Args:
        loader: Gives the same batches in every pass.
        most_bytes: That are kept.

    Example:
        >>> batches = KeptBatches(DataLoader(range(6), batch_size=2))
        >>> [batch.tolist() for batch in batches], len(batches)
        ([[0, 1], [2, 3], [4, 5]], 3)
    """

    def __init__(self, loader: Iterable[Any], most_bytes: int = MOST_BYTES) -> None:
        self.loader, self.most_bytes = loader, most_bytes
        self.gave_up = False
        self._kept: list[Any] = []
        self._bytes = 0
        self._whole = False

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        """Copies of those that are kept, then the others of the loader."""
        number = 0
        while number < len(self._kept):
            yield copy.deepcopy(self._kept[number])
            number += 1
        if self._whole:
            return
        for batch in islice(iter(self.loader), number, None):
            if not self.gave_up and number == len(self._kept):
                self._keep(batch)
            number += 1
            yield batch
        self._whole = not self.gave_up

    def _keep(self, batch: Any) -> None:
        size = size_of(batch)
        if size is None or self._bytes + size > self.most_bytes:
            self._kept, self.gave_up = [], True
            return
        self._kept.append(copy.deepcopy(batch))  # no memory that is shared with workers
        self._bytes += size


def size_of(batch: Any) -> int | None:
    """Bytes of the tensors and arrays of a batch; None if it holds something else of unknown size.

    Example:
        >>> import torch
        >>> size_of([torch.zeros(2, 3), {"label": 1}]), size_of(object())
        (24, None)
    """
    if isinstance(batch, Tensor | np.ndarray):
        return batch.nbytes
    if batch is None or isinstance(batch, bool | int | float | str):
        return 0
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if not isinstance(batch, list | tuple):
        return None
    sizes = [size_of(value) for value in batch]
    return None if None in sizes else sum(size for size in sizes if size is not None)


class KeptData(WrappedData):
    """Any data module whose validation batches, and first training batches, are read once.

    The loaders are asked for once. On several ranks, and of streams, they stay as they are.

    Args:
        datamodule: The data module.
        most_bytes: Of each of both sets, that are kept.

    Example:
        >>> from lightning_nas.search.lightning.families import LightningDataModule
        >>> class Data(LightningDataModule):
        ...     def val_dataloader(self):
        ...         return DataLoader([1.0, 2.0])
        >>> data = KeptData(Data())
        >>> data.val_dataloader() is data.val_dataloader()
        True
    """

    def __init__(self, datamodule: Any, *, most_bytes: int = MOST_BYTES) -> None:
        # Before the data module is hosted: from then on, names that it has are set there.
        self.most_bytes = most_bytes
        self._training: Any = None
        self._validation: Any = None
        super().__init__(datamodule)

    def train_dataloader(self) -> Any:
        """Training batches, the same in every pass."""
        self._training = self._once(self._training, self.datamodule.train_dataloader)
        return self._training

    def val_dataloader(self) -> Any:
        """Validation batches."""
        self._validation = self._once(self._validation, self.datamodule.val_dataloader)
        return self._validation

    def _once(self, before: Any, make: Callable[[], Any]) -> Any:
        """What the first call has made; where that is not kept, new loaders every time, as without all this."""
        if before is None:
            return self._kept(make())
        return before if before and all(_is_kept(loader) for loader in _each(before)) else make()

    def _kept(self, loaders: Any) -> Any:
        if isinstance(loaders, Mapping):
            return {name: self._kept(loader) for name, loader in loaders.items()}
        if isinstance(loaders, list | tuple):
            return [self._kept(loader) for loader in loaders]
        if is_distributed() or not isinstance(loaders, DataLoader) or isinstance(loaders.dataset, IterableDataset):
            return loaders
        return KeptBatches(loaders, self.most_bytes)


def _each(loaders: Any) -> Iterable[Any]:
    if isinstance(loaders, Mapping):
        return loaders.values()
    return loaders if isinstance(loaders, list | tuple) else [loaders]


def _is_kept(loader: Any) -> bool:
    return isinstance(loader, KeptBatches) and not loader.gave_up

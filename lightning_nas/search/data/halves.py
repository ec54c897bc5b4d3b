"""Batches of both halves of the data, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.families import pl

HALVES = ("weights", "architecture")
"""Keys of a batch of :class:`~lightning_nas.search.BilevelDataModule`."""

GROUP = "group"
"""Key in place of ``"architecture"`` where gradients are accumulated."""

Mode = Literal["min_size", "max_size_cycle"]


class Halves:
    """A loader that gives a batch of each half at a time, ``{"weights": batch, "architecture": batch}``.

    Where the Trainer accumulates the gradients of several batches, one architecture step belongs to all of them, and it
    comes first. So the first batch of a group is ``{"weights": batch, "group": [...]}`` with the pairs of all its batches
    (its own batch for the weights is not repeated), and the others have an empty ``"group"``.

    A checkpoint within an epoch takes the loader back to its place: the batches before are loaded and thrown away.

    Args:
        weights: Loader of the weights' half.
        architecture: Loader of the logits' half.
        mode: ``"min_size"`` ends with the shorter half, ``"max_size_cycle"`` repeats it.
        epoch: Gives the epoch that begins, from which the order follows.
        accumulated: Gives the number of batches of a group.
        limit: Gives the number of batches after which an epoch ends.

    Raises:
        TypeError: If the longer half cannot be known.
        ValueError: If a half has no batch.
    """

    def __init__(
        self,
        weights: Any,
        architecture: Any,
        *,
        mode: Mode = "min_size",
        epoch: Callable[[], int] = lambda: 0,
        accumulated: Callable[[], int] = lambda: 1,
        limit: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        self.mode, self._epoch, self._accumulated, self._limit = mode, epoch, accumulated, limit
        self.loaders = dict(zip(HALVES, (weights, architecture), strict=True))
        self._given = self._resumed_at = 0
        lengths = {half: _length(loader) for half, loader in self.loaders.items()}
        for half, length in lengths.items():
            if length == 0:
                raise ArgumentError(
                    f"the {half} half holds no batch for every rank: change fraction, or use fewer ranks"
                )
            if length is None and mode != "min_size":
                raise TypeError(
                    f"mode = {mode!r}: the {half} half has no length, so it is not known which one is longer"
                )

    @property
    def dataset(self) -> Any:
        """The data set of the weights' half."""
        return self.loaders["weights"].dataset

    def __len__(self) -> int:
        lengths = [len(loader) for loader in self.loaders.values()]
        return min(lengths) if self.mode == "min_size" else max(lengths)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._given, self._resumed_at = self._resumed_at, 0
        return self._batches()

    def _batches(self) -> Iterator[dict[str, Any]]:
        for loader in self.loaders.values():
            samplers: list[Any] = [getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
            for sampler in samplers:
                if callable(getattr(sampler, "set_epoch", None)):
                    sampler.set_epoch(self._epoch())
        pairs = self._pairs()
        with pl.utilities.seed.isolate_rng():
            for _ in range(self._given):
                next(pairs)
        while True:
            size = self._accumulated()
            begins = self._given % size == 0
            group = list(islice(pairs, int(min(size - self._given % size, max(self._limit() - self._given, 1)))))
            for position, (weights, architecture) in enumerate(group):
                self._given += 1
                if size == 1:
                    yield {"weights": weights, "architecture": architecture}
                else:
                    yield {"weights": weights, GROUP: _ahead(group) if begins and position == 0 else []}
            if not group:
                return

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        weights, architecture = self.loaders.values()
        if self.mode == "min_size":
            return zip(weights, architecture, strict=False)
        return islice(zip(_endless(weights), _endless(architecture), strict=True), len(self))

    def state_dict(self) -> dict[str, int]:
        """Number of batches of this epoch that were given out."""
        try:
            return {"batches": self._given % len(self)}
        except TypeError:  # without a length, an epoch begins where the last one ended
            return {"batches": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begins the next pass after so many batches."""
        self._resumed_at = state["batches"]


def has_halves(batch: Any) -> bool:
    """Whether a batch holds one for the weights and one for the logits."""
    return isinstance(batch, Mapping) and set(batch) in ({*HALVES}, {"weights", GROUP})


def take_apart(batch: Mapping[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """The batch of the weights, and the pairs of the architecture step before it; the first lacks that batch."""
    return batch["weights"], batch[GROUP] if GROUP in batch else [{"architecture": batch["architecture"]}]


def half_by_half(function: Callable[..., Any], batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Applies a function to every part of a batch that has halves, else to the batch."""
    if not has_halves(batch):
        return function(batch, *args, **kwargs)
    parts = {half: function(batch[half], *args, **kwargs) for half in HALVES if half in batch}
    if GROUP in batch:
        parts[GROUP] = [{half: function(part, *args, **kwargs) for half, part in pair.items()} for pair in batch[GROUP]]
    return parts


def _ahead(group: list[tuple[Any, Any]]) -> list[dict[str, Any]]:
    first, *others = (dict(zip(HALVES, pair, strict=True)) for pair in group)
    return [{"architecture": first["architecture"]}, *others]


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader

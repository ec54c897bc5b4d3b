"""The sampler of a user's loader, kept on a part of its samples, and shared out over the ranks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DistributedSampler, RandomSampler, Sampler, SequentialSampler

from lightning_nas.errors import ArgumentError
from lightning_nas.search.data.loader import EpochSampler
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.random_numbers import seed_globally


class InOrder(EpochSampler):
    """All samples as they come, in every epoch."""

    def order(self) -> list[int]:
        """The positions of the samples."""
        return list(range(self.count))


class Drawn(EpochSampler):
    """What another sampler draws, as far as it belongs to a part of the data.

    A pass through the other sampler gives those of its draws that belong to the part, in its order; where that is too few, it
    is asked again. So a ``WeightedRandomSampler`` draws from the part with the weights that it gives to the samples of it.
    Draws follow from seed and epoch, and all ranks make the same.

    Args:
        sampler: Of the whole data; draws positions in it.
        part: The positions of the samples of the part.
        whole: Number of samples of the whole data; the part is drawn in proportion.
        seed: Of the draws.
        epoch: The first one.

    Raises:
        TypeError: If the sampler has no length.
    """

    def __init__(self, sampler: Sampler[Any], part: Sequence[int], whole: int, *, seed: int, epoch: int = 0) -> None:
        try:
            draws = len(sampler)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(f"{type(sampler).__name__} has no length, so it cannot be shared out over halves") from None
        self.sampler, self.position = sampler, {index: position for position, index in enumerate(part)}
        super().__init__(max(round(draws * len(part) / whole), 1), seed=seed, epoch=epoch)

    def order(self) -> list[int]:
        """The positions, within the part, of the samples that are drawn in this epoch."""
        sampler: Any = copy.copy(self.sampler)
        if callable(getattr(sampler, "set_epoch", None)):
            sampler.set_epoch(self.epoch)
        number = int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1)[0])
        if getattr(sampler, "generator", None) is not None:
            sampler.generator = torch.Generator().manual_seed(number)
        drawn: list[int] = []
        with pl.utilities.seed.isolate_rng():
            seed_globally(number)  # of samplers without a generator
            while len(drawn) < self.count:
                before = len(drawn)
                drawn += [self.position[index] for index in map(self._index, sampler) if index in self.position]
                if len(drawn) == before:
                    raise ArgumentError(
                        f"{type(sampler).__name__} draws no sample of a half of the data: change fraction or seed"
                    )
        return drawn[: self.count]

    def _index(self, drawn: Any) -> int:
        if not isinstance(drawn, int | np.integer | torch.Tensor):
            raise TypeError(
                f"{type(self.sampler).__name__} draws {type(drawn).__name__}, which is no number of a sample, so the data "
                "cannot be divided by it: let train_dataloader return {'weights': loader, 'architecture': loader}"
            )
        return int(drawn)


def sampler_of_part(
    sampler: Any, part: Sequence[int], whole: int, *, seed: int, epoch: int, in_order: bool
) -> EpochSampler:
    """The sampler of a loader over a part of the data.

    Args:
        sampler: That of the loader over all data.
        part: The positions of the samples of the part.
        whole: Number of samples of the whole data.
        seed: Of what is random.
        epoch: The first one.
        in_order: Whether to draw nothing, as ``Trainer(overfit_batches=...)`` asks.

    Raises:
        TypeError: If the sampler cannot be kept on a part.
    """
    if in_order or type(sampler) is SequentialSampler or (type(sampler) is DistributedSampler and not sampler.shuffle):
        return InOrder(len(part), seed=seed, epoch=epoch)
    permutes = type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == whole
    if permutes or type(sampler) in (EpochSampler, DistributedSampler):
        return EpochSampler(len(part), seed=seed, epoch=epoch)
    if isinstance(sampler, DistributedSampler):
        raise TypeError(
            f"{type(sampler).__name__} shares samples out over the ranks by itself; give the loader a sampler of all samples, "
            "which the halves share out"
        )
    return Drawn(sampler, part, whole, seed=seed, epoch=epoch)

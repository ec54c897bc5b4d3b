"""Spaces whose decisions stand by themselves and whose options have an order of size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.elastic import cut
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.option_weights import Paths
from lightning_nas.spaces.supernet import Supernet


@dataclass(frozen=True)
class OrderedSpace(SearchSpace):
    """Decisions that do not depend on one another, each with numbers as options. Its supernet has no logits.

    Example:
        >>> from lightning_nas.spaces import ImageSize
        >>> space = ImageSize(scales=(100, 50))
        >>> space.smallest(), space.largest()
        ({'size': 50}, {'size': 100})
    """

    @property
    @abstractmethod
    def numbers(self) -> Mapping[str, Sequence[int]]:
        """The numbers that can be chosen, smallest first; one alone is no decision."""

    @property
    def mixes(self) -> bool:
        """False: there are no logits."""
        return False

    @property
    def decisions(self) -> tuple[str, ...]:
        """Where there is a choice."""
        return tuple(name for name, numbers in self.numbers.items() if len(numbers) > 1)

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The numbers, smallest first.

        Raises:
            KeyError: If there is no such decision.
        """
        if name not in self.decisions:
            raise KeyError(name)
        return list(self.numbers[name])

    def value(self, name: str, choices: Choices) -> int:
        """What was chosen; the largest number where nothing was."""
        return int(choices.get(name, self.numbers[name][-1]))

    def largest(self) -> dict[str, Option]:
        """The largest number of every decision."""
        return {name: self.numbers[name][-1] for name in self.decisions}

    def smallest(self) -> dict[str, Option]:
        """The smallest number of every decision."""
        return {name: self.numbers[name][0] for name in self.decisions}


class OrderedSupernet(Supernet):
    """A supernet without logits: one of its networks is always active, the largest if none was chosen."""

    def path(self, choices: Choices) -> dict[str, Paths]:
        """Nothing: there are no logits that a path could be one of.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        self.space.validate(choices)
        return {}

    @staticmethod
    def decode(space: Any, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """Refuses: there are no logits.

        Raises:
            ArgumentError: Always.
        """
        raise ArgumentError(f"space {space.name!r} has no logits: its supernet is searched on paths, not by gradients")

    def held(self, choices: Choices, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Slices of the supernet's tensors, as :meth:`Supernet.held` says."""
        self.space.validate(choices)
        ours = self.state_dict()
        fitting = {
            name: tensor
            for name, tensor in like.items()
            if name in ours
            and ours[name].dim() == tensor.dim()
            and all(s <= o for s, o in zip(tensor.shape, ours[name].shape, strict=True))
        }
        return {name: ours[name] for name in like if name in ours} | cut(self, fitting)


def ordered(numbers: Iterable[int], *more: int) -> tuple[int, ...]:
    """Numbers without repetition, smallest first.

    Example:
        >>> ordered((75, 50, 75), 100)
        (50, 75, 100)
    """
    return tuple(sorted({*numbers, *more}))


def share(channels: int, percent: int) -> int:
    """So many percent of some channels, to the nearest multiple of 8, or of a thirty-second of them where that is more.

    So a slice ends where a group of a GroupNorm of at most 32 groups does. All of them stay as they are.

    Example:
        >>> share(96, 75), share(256, 30), share(512, 30), share(20, 100)
        (72, 80, 160, 20)
    """
    if percent == 100:
        return channels
    multiple = max(8, channels // 32)
    return min(channels, max(multiple, round(channels * percent / 100 / multiple) * multiple))

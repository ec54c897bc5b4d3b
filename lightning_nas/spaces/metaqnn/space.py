"""The space of MetaQNN: plain chains of convolutions, poolings and fully connected layers, chosen one by one.

Source: Baker et al. 2017, "Designing Neural Network Architectures using Reinforcement Learning", arXiv 1611.02167.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError, ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_one_of, check_switches, check_whole, is_whole, lists_to_tuples
from lightning_nas.spaces.metaqnn.grammar import Grammar, KernelLimit, State

_TUPLES = ("filters", "kernels", "pools", "features")


@dataclass(frozen=True)
class MetaQnn(SearchSpace):
    """A layer after another, until the softmax layer is chosen.

    Decisions: ``layer.{l}``, one of ``conv_<filters>_<kernel>``, ``pool_<kernel>_<stride>`` (max pooling),
    ``fc_<features>``, ``gap`` (global average pooling) and ``softmax``, which ends the network; what may follow what is in
    :meth:`Grammar.actions`. Decisions after the end are inactive. For Q-learning, :meth:`state` is the state of the
    choices so far and :meth:`options` are its actions.

    The network is a backbone: its last map is what the softmax layer reads, and the head of the classifier is that layer.
    So after ``gap`` it is the map to be averaged, and after any other layer the numbers of the last map as channels of one
    pixel, of which the head's average is the pixel itself. What differs from the authors' program:

    - Their ``gap`` has a 1x1 convolution with a filter per class and a ReLU first, and a linear layer after it. Here it is
      the average and one linear layer.
    - Sizes of pooled maps are rounded down, as their states count them; Caffe, which they trained with, rounds up.

    Mixing layers of different widths and sizes has no meaning, so there is no supernet: every candidate is trained by
    itself.

    Args:
        filters: Filters of a convolution.
        kernels: Sizes of its kernel; it is padded so that the map keeps its size.
        pools: Kernel and stride of a max pooling, which is not padded.
        features: Sizes of a fully connected layer.
        max_fc: Fully connected layers, at most; they do not grow.
        depth: Layers before the softmax layer, at most.
        image_size: Height and width of the images; other sizes are refused.
        in_channels: Channels of the image.
        kernel_limit: Kernels are smaller than the smallest size of the map's bucket (``"bucket"``: 8, 4 or 1), so that the
            options follow from the state of Q-learning, as in the authors' program; or than the map (``"size"``).
        batch_norm: Whether convolutions are followed, and poolings preceded, by a BatchNorm.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = MetaQnn()
        >>> space.options(space.decisions[0], {})[:2]
        ['softmax', 'conv_64_1']
    """

    name: ClassVar[str] = "metaqnn"
    levels_follow_choices: ClassVar[bool] = True

    filters: tuple[int, ...] = (64, 128, 256, 512)
    kernels: tuple[int, ...] = (1, 3, 5)
    pools: tuple[tuple[int, int], ...] = ((5, 3), (3, 2), (2, 2))
    features: tuple[int, ...] = (512, 256, 128)
    max_fc: int = 2
    depth: int = 18
    image_size: int = 32
    in_channels: int = 3
    kernel_limit: KernelLimit = "bucket"
    batch_norm: bool = False

    def __post_init__(self) -> None:
        lists_to_tuples(self, *_TUPLES)
        object.__setattr__(self, "pools", tuple(tuple(p) if isinstance(p, list) else p for p in self.pools))
        for argument in _TUPLES:
            value = getattr(self, argument)
            if len(set(value)) != len(value):
                raise ArgumentError(f"{argument} must be without repeats, got {value!r}")
        check_whole(
            self,
            filters=(1, 8192),
            kernels=(1, 31),
            features=(1, 65536),
            max_fc=(0, 16),
            depth=(1, 256),
            image_size=(1, 4096),
            in_channels=(1, 4096),
        )
        if not self.filters or not self.kernels:
            raise ArgumentError(f"filters and kernels must not be empty, got {self.filters!r} and {self.kernels!r}")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ArgumentError(f"kernels must be odd, so that maps keep their size, got {self.kernels!r}")
        for pool in self.pools:
            if not isinstance(pool, tuple) or len(pool) != 2 or not all(is_whole(number, 2, 31) for number in pool):
                raise ArgumentError(
                    f"pools must hold pairs of kernel and stride, whole numbers from 2 to 31, got {pool!r}"
                )
            if pool[1] > pool[0]:
                raise ArgumentError(f"pools: a stride must be at most its kernel, got {pool!r}")
        check_one_of(self, kernel_limit=get_args(KernelLimit))
        check_switches(self, "batch_norm")

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def grammar(self) -> Grammar:
        """Which layer may follow which."""
        return Grammar(
            self.filters,
            self.kernels,
            self.pools,
            self.features,
            self.max_fc,
            self.depth,
            self.image_size,
            self.kernel_limit,
        )

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """The layers, and the end."""
        return tuple(f"layer.{layer}" for layer in range(len(self.grammar.tokens)))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The layers that may follow the choices before; none after the end, or if a choice before is missing or illegal."""
        state = self.grammar.start
        for before in self.decisions[: self.decisions.index(name)]:
            token = choices.get(before)
            if token not in self.grammar.actions(state):
                return []
            state = self.grammar.after(state, str(token))
        return self.grammar.actions(state)

    def all_options(self, name: str) -> Sequence[Option]:
        """Every layer that can stand at this place in some network."""
        return self.grammar.tokens[self.decisions.index(name)]

    def state(self, choices: Choices) -> State:
        """The state of the choices so far, as a Q-table needs it: hashable, the size of the map as its bucket.

        Its actions are the :meth:`options` of the next decision, ``layer.{state.depth}``.

        Args:
            choices: The first layers, none left out; ``{}`` is the start.

        Raises:
            ArchitectureError: If a layer is left out, or may not stand where it does.
        """
        tokens = [str(choices[name]) for name in self.decisions[: len(choices)] if name in choices]
        if len(tokens) != len(choices):
            raise ArchitectureError(f"{self.name}: expected the first {len(choices)} layers, got {list(choices)}")
        try:
            return list(self.grammar.states(tokens))[-1].bucketed()
        except ValueError as error:
            raise ArchitectureError(f"{self.name}: {error}") from None

    def from_tokens(self, tokens: Sequence[str]) -> dict[str, Option]:
        """The architecture that is made of some layers; the softmax layer is added where it is left out.

        Raises:
            ArchitectureError: If they are not a network of this space.
        """
        names = [*tokens, *([] if tokens and tokens[-1] == "softmax" else ["softmax"])]
        choices: dict[str, Option] = {f"layer.{place}": token for place, token in enumerate(names)}
        self.validate(choices)
        return choices

    def tokens(self, choices: Choices) -> list[str]:
        """The layers of an architecture, in order."""
        return [str(choices[name]) for name in self.decisions if name in choices]

    def size(self) -> int:
        """Number of architectures."""
        return self.grammar.count()

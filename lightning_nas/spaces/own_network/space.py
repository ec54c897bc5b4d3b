"""The decisions of a user's own network: how many channels every group keeps, and which residual blocks stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_equally_long, is_whole, lists_to_tuples

ANEW = "lightning_nas.elastic(model, example_input, ...)"
"""What makes the space of a network anew."""


@dataclass(frozen=True)
class OwnNetwork(SearchSpace):
    """The sub-networks of one network that is no search space of the library; :func:`lightning_nas.elastic` makes it.

    A record of one of them holds these arguments, so that its choices can be checked and varied anywhere. The network
    itself is the user's: it is not in the record, and is built from ``lightning_nas.elastic(model, ...).network(choices)``.

    Decisions: ``<block>.keep`` per residual block (1: it is computed, 0: its input is passed on), and ``<layer>.width`` per
    group of coupled channels, named by the first layer that makes them (how many of that layer's channels are kept). The
    width of a group that lies within a block that is left out is inactive.

    Args:
        groups: The first layer of every group.
        channels: Per group how many of its channels may be kept, fewest first; the last is all of them.
        within: Per group the block that it lies in, or "".
        blocks: The residual blocks that can be left out.

    Raises:
        ArgumentError: If the lists do not fit together, or hold other things than names and numbers of channels.

    Example:
        >>> space = OwnNetwork(groups=("stem", "stage.0.conv"), channels=((4, 8), (8, 12, 16)), within=("", "stage.0"),
        ...                    blocks=("stage.0",))
        >>> space.smallest()
        {'stage.0.keep': 0, 'stem.width': 4}
        >>> space.largest()["stage.0.conv.width"]
        16
    """

    name: ClassVar[str] = "own_network"
    role: ClassVar[str] = "network"

    groups: tuple[str, ...] = ()
    channels: tuple[tuple[int, ...], ...] = ()
    within: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lists_to_tuples(self, "groups", "channels", "within", "blocks")
        if self.groups or self.channels or self.within:
            check_equally_long(self, "groups", "channels", "within")
        for argument in ("groups", "within", "blocks"):
            if not all(isinstance(name, str) for name in getattr(self, argument)):
                raise ArgumentError(f"{argument} must hold names of modules, got {getattr(self, argument)!r}")
        for argument in ("groups", "blocks"):
            if len(set(getattr(self, argument))) != len(getattr(self, argument)):
                raise ArgumentError(f"{argument} must hold different names, got {getattr(self, argument)!r}")
        if not {*self.within} <= {"", *self.blocks}:
            raise ArgumentError(f"within must hold names of blocks, {list(self.blocks)}, or '', got {self.within!r}")
        object.__setattr__(self, "channels", tuple(_counts(counts) for counts in self.channels))
        object.__setattr__(self, "_within", dict(zip(self.groups, self.within, strict=True)))
        object.__setattr__(self, "_channels", dict(zip(self.groups, self.channels, strict=True)))

    @property
    def mixes(self) -> bool:
        """False: there are no logits; one part is active, or the whole network."""
        return False

    @property
    def decisions(self) -> tuple[str, ...]:
        """Blocks, then groups, both in the order of the network."""
        return (*(f"{block}.keep" for block in self.blocks), *(f"{group}.width" for group in self.groups))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """Channels that may be kept; 0 or 1 for a block."""
        decided, _, kind = name.rpartition(".")
        if kind == "keep":
            return (0, 1)
        around = self.__dict__["_within"][decided]
        if around and choices.get(f"{around}.keep") == 0:
            return ()
        counts: tuple[int, ...] = self.__dict__["_channels"][decided]
        return counts

    def largest(self) -> dict[str, Option]:
        """The network as it was given."""
        return self._extreme(lambda options: options[-1])

    def smallest(self) -> dict[str, Option]:
        """No block that can be left out, and the fewest channels everywhere."""
        return self._extreme(lambda options: options[0])

    def _extreme(self, of: Callable[[Sequence[Option]], Option]) -> dict[str, Option]:
        choices: dict[str, Option] = {}
        for name in self.decisions:
            options = self.options(name, choices)
            if options:
                choices[name] = of(options)
        return choices

    # ---- networks: those of the elastic network that this space was made with --------------------------------------------

    def bind(self, network: Any) -> None:
        """Notes the elastic network whose sub-networks these are; a space from a record has none."""
        object.__setattr__(self, "_own", network)

    @property
    def own(self) -> Any:
        """The elastic network.

        Raises:
            ArgumentError: If the space comes from a record, which holds no network.
        """
        own = self.__dict__.get("_own")
        if own is None:
            raise ArgumentError(
                f"space {self.name!r}: the record holds groups and choices of a network of one's own, and not the network: "
                f"build it with {ANEW}.network(choices)"
            )
        return own

    def network(self, choices: Choices, *, inputs: Any = None) -> Any:
        """A plain copy of the network at hand, cut to the choices.

        Raises:
            ArgumentError: If the space comes from a record, which holds no network.
            ArchitectureError: If the choices do not belong to the space.
        """
        self.validate(choices)
        return self.own.network(choices)

    def supernet(self, *, inputs: Any = None, generator: Any = None, out_indices: Any = None) -> Any:
        """A copy of the elastic network.

        Raises:
            ArgumentError: If the space comes from a record, or maps are to be chosen: its outputs are the network's own.
        """
        if out_indices is not None:
            raise ArgumentError(
                f"out_indices must be None: space {self.name!r} returns what its network does, got {out_indices!r}"
            )
        return self.own.copied()


def _counts(counts: Any) -> tuple[int, ...]:
    """Numbers of channels, fewest first."""
    whole = isinstance(counts, list | tuple) and all(is_whole(count, 1, 2**31) for count in counts)
    if not whole or len(counts) < 2 or list(counts) != sorted(set(counts)):
        raise ArgumentError(f"channels must hold at least two increasing numbers per group, got {counts!r}")
    return tuple(counts)

"""A search in stages that go on with what the one before has learnt: options become fewer, candidates see more channels.

Source: Chen et al. 2021, "DrNAS: Dirichlet Neural Architecture Search", arXiv 2006.10355, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.adapters import PartialChannels
from lightning_nas.strategies.gradient.stages.base import Span, Stages


class Widening(Stages):
    """After a stage, options go and candidates see a larger share of the channels, and the search goes on.

    Weights, running statistics and what their optimizer knows of them (its momentum) are widened by copies of channels that are
    drawn at random, see :mod:`lightning_nas.ops.widening`. Schedules, logits and their optimizer go on as if nothing had
    happened; logits rest at the start of every stage, as at the start of the search. What ends a stage early ends the search.

    Args:
        options: How many options of every row each stage but the last leaves to the next one. In the paper 3 of NAS-Bench-201's
            5, and 4 of DARTS' 8.
        partial_channels: The candidates see one of so many parts of the channels in each stage but the first, whose number is
            the strategy's own. In the paper 2 after 4 in NAS-Bench-201, and 4 after 6 in DARTS' space (CIFAR-10). 1: all.

    Raises:
        ArgumentError: If a number is not whole or below 1, one is missing, or a stage sees less than the one before.

    Example:
        >>> stages = Widening(options=[3], partial_channels=[2])
        >>> stages.channels_of(0, PartialChannels(parts=4)), stages.channels_of(1, PartialChannels(parts=4))
        (PartialChannels(parts=4), PartialChannels(parts=2))
        >>> stages.enter(1, {})
        >>> stages.span(50)
        Span(first=50, end=100, total=100)
    """

    keeps_weights = True

    def __init__(self, *, options: Sequence[int] = (3,), partial_channels: Sequence[int] = (2,)) -> None:
        super().__init__(options=options)
        self.partial_channels = tuple(partial_channels)
        said = f"got {list(partial_channels)!r}"
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in self.partial_channels):
            raise ArgumentError(f"stages.partial_channels must hold whole numbers of at least 1, {said}")
        if len(self.partial_channels) != len(self.options):
            raise ArgumentError(
                f"stages.partial_channels must hold a value per stage but the first, {len(self.options)}, {said}"
            )
        if any(
            later > earlier for earlier, later in zip(self.partial_channels, self.partial_channels[1:], strict=False)
        ):
            raise ArgumentError(f"stages.partial_channels must not rise: candidates see more and more channels, {said}")

    def span(self, epochs: int) -> Span:
        """The epochs of the current stage: they follow on those of the one before."""
        if not self.keeps_weights:  # an estimate looks at every stage by itself
            return super().span(epochs)
        return Span(self.stage * epochs, (self.stage + 1) * epochs, self.count * epochs)

    def channels_of(self, stage: int, partial: PartialChannels | None) -> PartialChannels | None:
        """The partial channels of a stage; None: all."""
        if stage == 0:
            return partial
        parts = self.partial_channels[stage - 1]
        return None if parts == 1 else PartialChannels(parts=parts)

"""The auxiliary skip of DARTS-: lends every edge its gradient while it fades away.

Source: Chu et al. 2021, "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", arXiv 2009.01027.
"""

from __future__ import annotations

from torch import nn

from lightning_nas.ops.beside import SkipBeside
from lightning_nas.ops.mixed import Candidates
from lightning_nas.ops.partial import PartialEdge
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.adapters.base import Adapter, replace_edges, require_edges
from lightning_nas.strategies.gradient.part import check_between


class AuxiliarySkip(Adapter):
    """A skip beside every edge that keeps its channels, whose weight falls linearly from ``start`` to 0.

    In the last epoch it is ``start / epochs``: the epoch in which it would be 0 is not there.

    Args:
        start: Its weight in the first epoch.

    Example:
        >>> skip = AuxiliarySkip(start=1.0)
        >>> skip.begin_epoch(3, 4)
        >>> skip.share
        0.25
    """

    def __init__(self, *, start: float = 1.0) -> None:
        check_between("auxiliary_skip", start, 0, open_low=True)
        self.start = self.share = start
        self._edges: list[SkipBeside] = []

    def adapt(self, supernet: Supernet) -> None:
        """Puts a skip beside all edges that keep their channels."""

        def make(edge: nn.Module) -> nn.Module | None:
            assert isinstance(edge, Candidates | PartialEdge)
            if isinstance(edge, Candidates) and edge.in_channels != edge.channels:
                return None
            return SkipBeside(edge, edge.channels, edge.stride)

        count = replace_edges(supernet, make, (Candidates, PartialEdge))
        require_edges(count, f"auxiliary_skip = {self.start}", supernet)
        self.attach(supernet)

    def attach(self, supernet: Supernet) -> None:
        """Takes charge of the skips of a supernet that was adapted before."""
        self._edges = [module for module in supernet.modules() if isinstance(module, SkipBeside)]
        self._set()

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Lowers the weight."""
        self.share = self.start * (1 - epoch / max(epochs, 1))
        self._set()

    def _set(self) -> None:
        for edge in self._edges:
            edge.share = self.share

"""Partial channels and edge weights.

Source: Xu et al. 2020, "PC-DARTS", arXiv 1907.05737, sections 3.2 and 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.mixed import Candidates
from lightning_nas.ops.partial import PartialEdge
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.adapters.base import Adapter, replace_edges, require_edges


class PartialChannels(Adapter):
    """Candidates see ``1 / parts`` of the channels, and the others pass by.

    Of chains, layers that change the number of channels or the size of the map have nothing that could pass by: they stay.

    Args:
        parts: ``K``; 4 for CIFAR in the paper.

    Raises:
        ArgumentError: If it is no whole number of at least 2.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> PartialChannels(parts=2).adapt(supernet)
        >>> sum(type(module).__name__ == "PartialEdge" for module in supernet.modules())
        18
    """

    def __init__(self, *, parts: int = 4) -> None:
        if isinstance(parts, bool) or not isinstance(parts, int) or parts < 2:
            raise ArgumentError(f"partial_channels must be a whole number of at least 1, got {parts!r}")
        self.parts = parts

    def adapt(self, supernet: Supernet) -> None:
        """Replaces all edges that keep their channels."""

        def make(edge: nn.Module) -> nn.Module | None:
            assert isinstance(edge, Candidates)
            return PartialEdge(edge, self.parts) if edge.can_narrow else None

        count = replace_edges(supernet, make, (Candidates,))
        require_edges(count, f"partial_channels = {self.parts}", supernet)


class EdgeWeights(Adapter):
    """The edges into a node compete: each is weighed by the softmax over all of them of a logit of its own.

    Decoding multiplies the strengths of the options with it. The logits are stepped with those of the options. An edge that
    is alone, as every layer of a chain, has the weight 1: there is nothing to learn.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> weights = EdgeWeights()
        >>> weights.adapt(supernet)
        >>> weights.shares(supernet)["cell"].sum()  # three nodes
        tensor(3., grad_fn=<SumBackward0>)
    """

    def adapt(self, supernet: Supernet) -> None:
        """Adds a logit per edge, drawn as those of the options are, ``1e-3 * N(0, 1)``."""
        nodes = supernet.nodes()
        generator = torch.Generator().manual_seed(0)
        for group, members in nodes.items():
            edges = sum(len(node) for node in members)
            supernet.edge_logits[group] = nn.Parameter(1e-3 * torch.randn(edges, generator=generator))

    @staticmethod
    def shares(supernet: Supernet) -> dict[str, Tensor]:
        """Group -> the weight of every edge, ``(edges,)``; those into one node sum to 1."""
        return {
            group: torch.cat([supernet.edge_logits[group][node.start : node.stop].softmax(dim=0) for node in members])
            for group, members in supernet.nodes().items()
        }

"""The graph-guided part of GAS: what a cell has chosen speaks to the next one, through a graph convolution.

Source: Lin et al. 2020, arXiv 1909.06793, section 3.2. The nodes of the graph are the edges of a cell, their features the
logits of its operations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def adjacency(current: Tensor, previous: Tensor) -> Tensor:
    """How much every edge of a cell listens to every edge of the cell before, ``(edges, edges)``; rows sum to 1.

    Args:
        current: Projected logits of the cell, ``(edges, features)``.
        previous: Projected logits of the cell before.
    """
    return (current @ previous.T).softmax(dim=-1)


class GraphGuide(nn.Module):
    """``a' = a + gamma * W2 relu(Adj(a, b) W1 b)``, for the logits ``a`` of a cell and ``b`` of the one before.

    ``gamma`` starts at 0: a search starts with cells that are independent of each other.

    Args:
        options: Number of operations.
        features: Width of the projections.
    """

    def __init__(self, options: int, features: int = 16) -> None:
        super().__init__()
        self.query, self.key = (nn.Linear(options, features, bias=False) for _ in range(2))
        self.enter, self.leave = nn.Linear(options, features, bias=False), nn.Linear(features, options, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def adjacency(self, current: Tensor, previous: Tensor) -> Tensor:
        """See :func:`adjacency`, from the logits themselves, ``(edges, options)``."""
        return adjacency(self.query(current), self.key(previous))

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        """Logits of a cell and of the one before, ``(edges, options)`` -> those of the cell, guided."""
        heard = torch.relu(self.adjacency(current, previous) @ self.enter(previous))
        guided: Tensor = current + self.gamma * self.leave(heard)
        return guided

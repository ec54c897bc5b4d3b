"""The strongest options, as published by most."""

from __future__ import annotations

from lightning_nas.strategies.gradient.selection.base import Selection


class Argmax(Selection):
    """The space's own rule, e.g. on cells the two strongest edges into every node, each with its strongest operation.

    Example:
        >>> import torch
        >>> from lightning_nas.spaces import NasBench201
        >>> space = NasBench201()
        >>> Argmax().choose(space, {"cell": torch.eye(6, 5)})["cell.1.0"] == space.ops[0]
        True
    """

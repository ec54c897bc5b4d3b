"""Cells that can be computed in either form."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from lightning_nas.ops.fused.mixer import FusedMixer
from lightning_nas.ops.mixer import Form, Mixer, TextbookMixer

MIXERS: dict[Form, Callable[[], Mixer]] = {"fused": FusedMixer, "textbook": TextbookMixer}


class Mixing(nn.Module):
    """A cell that mixes operations.

    Attributes:
        form: ``"fused"`` computes all edges of a node together, ``"textbook"`` every candidate by itself. Modules,
            parameters and results are the same; only the textbook form can be differentiated twice.
    """

    form: Form = "fused"

    def mixer(self) -> Mixer:
        """What computes the nodes, in one forward pass."""
        return MIXERS[self.form]()

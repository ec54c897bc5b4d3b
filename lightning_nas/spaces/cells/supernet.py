"""Supernets of cells that know two ways of computing their mixed operations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import get_args

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.cells.macro import DartsMacro
from lightning_nas.spaces.supernet import Form, OptionWeights, Supernet


class FusedSupernet(Supernet):
    """A supernet that computes fast and lean, or as the formulas are written.

    Attributes:
        form: How the mixed operations are computed, see :meth:`set_form`.
    """

    form: Form = "fused"

    @abstractmethod
    def searched_cells(self) -> Iterable[nn.Module]:
        """The cells; each has an attribute ``form``, ``"fused"`` at first."""

    def set_form(self, form: Form) -> None:
        """Chooses between two ways of computing the same modules.

        Args:
            form: ``"fused"``, the default: fast and lean, differentiable once. ``"textbook"``: every candidate by itself,
                as the formulas are written; needed for exact second derivatives (``create_graph=True``).

        Raises:
            ValueError: If there is no such form.
        """
        if form not in get_args(Form):
            raise ArgumentError(f"form must be 'fused' or 'textbook', got {form!r}")
        self.form = form
        for cell in self.searched_cells():
            cell.form = form  # type: ignore[assignment]

    def laid_out(self, images: Tensor) -> Tensor:
        """The images, ``(B, in_channels, H, W)``, in the memory layout that the form computes in."""
        return images.contiguous(memory_format=torch.channels_last) if self.form == "fused" else images


class DartsMacroSupernet(FusedSupernet):
    """A supernet with the macro network of the DARTS family.

    Args:
        groups: Group name -> ``(edges, options)``.
        macro: The network; its cells get the option weights after their two states.
        generator: Draws the initial logits, see :class:`Supernet`.
    """

    def __init__(
        self, groups: Mapping[str, tuple[int, int]], macro: DartsMacro, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(groups, generator)
        self.macro = macro
        self.feature_info = macro.feature_info.within("macro")
        self.auxiliary_info = macro.auxiliary_info.within("macro")

    def searched_cells(self) -> Iterable[nn.Module]:
        """All cells of the macro network."""
        return self.macro.cells

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, auxiliary map."""
        weights: Mapping[str, OptionWeights] = self.option_weights()
        features, auxiliary = self.macro(self.laid_out(x), weights)
        return features, auxiliary

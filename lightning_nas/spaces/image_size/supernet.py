"""All sizes of the image."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.spaces.image_size.network import ImagePart
from lightning_nas.spaces.image_size.space import ImageSize
from lightning_nas.spaces.ordered import OrderedSupernet


class ImageSizeSupernet(ImagePart, OrderedSupernet, space=ImageSize):
    """Resizes to the size that is active; it has no weights."""

    def __init__(self, space: ImageSize, generator: torch.Generator | None = None) -> None:
        super().__init__({}, generator)
        self.space = space
        self.describe(space)
        self.activate(None)

    def activate(self, choices: Choices | None) -> None:
        """Chooses the size; None: the largest.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        if choices is not None:
            self.space.validate(choices)
        self.percent = self.space.value("size", choices or {})

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the image in its size, None."""
        return self.resized(x)

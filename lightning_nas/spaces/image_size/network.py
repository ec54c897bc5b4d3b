"""Bringing a batch of images to the chosen size."""

from __future__ import annotations

import torch.fx
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel, Outlets
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.image_size.space import ImageSize


class ImagePart(Backbone):
    """Resizes a batch of images, unless a task has taken that over.

    Attributes:
        percent: Of both sides; what is active now.
    """

    role = "image"
    percent: int
    taken_over = False

    def describe(self, space: ImageSize) -> None:
        """Sets what the part returns: one image."""
        self.outlets = Outlets(1)
        self.feature_info = FeatureInfo((FeatureLevel(space.in_channels, 1, "outlets.0"),))

    def take_over(self) -> None:
        """Makes the part the identity from now on: whoever calls this resizes images to :attr:`percent` before."""
        self.taken_over = True

    def resized(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the image in its size, None."""
        return self.outlets([x if self.taken_over else _scaled(x, self.percent)]), None


class ImageSizeNetwork(ImagePart, FoundNetwork, space=ImageSize):
    """Images in one size."""

    def __init__(self, space: ImageSize, choices: Choices) -> None:
        super().__init__()
        self.percent = space.value("size", choices)
        self.describe(space)

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the image in its size, None."""
        return self.resized(x)


def image_part(network: nn.Module) -> ImagePart | None:
    """The part of a network that resizes images; None if there is none."""
    return next((part for part in network.modules() if isinstance(part, ImagePart)), None)


def scaled_side(side: float, percent: int) -> int:
    """A side of an image in so many percent, in whole pixels, one at least.

    Example:
        >>> scaled_side(99, 50), scaled_side(1, 10)
        (50, 1)
    """
    return max(1, int(side * percent / 100 + 0.5))


def followed_side(side: int, percent: int) -> int:
    """:func:`scaled_side` of whole pixels in whole arithmetic, which an exported network goes on doing with other sizes.

    Example:
        >>> followed_side(99, 50), followed_side(1, 10)
        (50, 1)
    """
    scaled = (side * percent + 50) // 100
    return scaled + (scaled < 1)


@torch.fx.wrap  # one node of a traced graph, because it looks at sizes
def _scaled(x: Tensor, percent: int) -> Tensor:
    size = [followed_side(side, percent) for side in x.shape[-2:]]
    if size == list(x.shape[-2:]):
        return x
    return nn.functional.interpolate(x, size=size, mode="bilinear", antialias=True)

"""The size of the image as a decision of the search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.checks import check_whole, lists_to_tuples
from lightning_nas.spaces.ordered import OrderedSpace, ordered


@dataclass(frozen=True)
class ImageSize(OrderedSpace):
    """The size that a network sees the image in: the first part of a product, ``{"image": ImageSize(), "backbone": ...}``.

    Decision: ``size``, in percent of both sides of the image that the task gives. All images of a batch have one size, and
    nothing is padded for it. The strides of the maps behind it are those with respect to the resized image.

    A task that has to know the size of the image, as a detector for its boxes, takes the resizing over, see
    :meth:`~lightning_nas.spaces.image_size.network.ImagePart.take_over`.

    Args:
        scales: Percentages that can be chosen.
        in_channels: Channels of the image.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = ImageSize(scales=(50, 100))
        >>> space.decisions, space.options("size", {})
        (('size',), [50, 100])
        >>> import torch
        >>> [tuple(x.shape) for x in space.network({"size": 50})(torch.rand(2, 3, 64, 96))]
        [(2, 3, 32, 48)]
    """

    name: ClassVar[str] = "image_size"
    role: ClassVar[str] = "image"

    scales: tuple[int, ...] = (50, 75, 100)
    in_channels: int = 3

    def __post_init__(self) -> None:
        lists_to_tuples(self, "scales")
        check_whole(self, scales=(1, 1000), in_channels=(1, 4096))
        if not self.scales:
            raise ArgumentError("scales must hold at least one percentage, got ()")

    @cached_property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """The percentages, smallest first."""
        return {"size": ordered(self.scales)}

"""Feature levels: what a backbone returns, described so that heads need not guess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class FeatureLevel:
    """One feature map: its channels, its stride relative to the image, and the module that makes it."""

    channels: int
    reduction: int
    module: str = ""


@dataclass(frozen=True)
class FeatureInfo:
    """The feature maps of a network in the order in which ``forward`` returns them (timm's convention).

    Example:
        >>> info = FeatureInfo((FeatureLevel(16, 4), FeatureLevel(32, 8)))
        >>> info.channels(), info.reduction()
        ([16, 32], [4, 8])
    """

    levels: tuple[FeatureLevel, ...]

    def channels(self) -> list[int]:
        """Channels of every map."""
        return [level.channels for level in self.levels]

    def reduction(self) -> list[int]:
        """Stride of every map: image size divided by map size."""
        return [level.reduction for level in self.levels]

    def module_name(self) -> list[str]:
        """Name of the module that makes each map."""
        return [level.module for level in self.levels]

    def select(self, out_indices: Sequence[int]) -> FeatureInfo:
        """The chosen levels; negative indices count from the end.

        Raises:
            ValueError: If an index does not exist or the list is empty.
        """
        count = len(self.levels)
        if not out_indices:
            raise ValueError("out_indices must name at least one feature level, got none")
        for index in out_indices:
            if not -count <= index < count:
                raise ValueError(f"out_indices: level {index} does not exist; there are {count} (0 to {count - 1})")
        return FeatureInfo(tuple(self.levels[index] for index in out_indices))

    def __len__(self) -> int:
        return len(self.levels)

    def __iter__(self) -> Iterator[FeatureLevel]:
        return iter(self.levels)


class Backbone(nn.Module):
    """The forward contract of fixed networks and supernets: an image in, a list of feature maps out.

    Attributes:
        feature_info: Describes the maps that :meth:`forward` returns, shallowest first.
        auxiliary_info: The map for an auxiliary classifier in training, or None where the space has no such tap.
        role: What its maps are: those of a ``"backbone"``, or those that a ``"neck"`` has made of them.
    """

    feature_info: FeatureInfo
    auxiliary_info: FeatureLevel | None = None
    role: str = "backbone"

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` one ``(B, channels, H/reduction, W/reduction)`` per level."""
        return self.forward_auxiliary(x)[0]

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """As :meth:`forward`, and beside it the map of :attr:`auxiliary_info` (None where there is none)."""
        raise NotImplementedError

"""Heads of classifiers: the main one, and the auxiliary ones that help deep cell networks to train."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_nas.errors import ArgumentError


class ClassificationHead(nn.Module):
    """Global average pooling of the last feature map, then a linear layer.

    Args:
        channels: Channels of the last feature map.
        num_classes: Number of classes.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps ``(B, C, H, W)``, the last one is read ``-> (B, num_classes)``."""
        logits: Tensor = self.linear(features[-1].mean(dim=(2, 3)))
        return logits


class AuxiliaryHead(nn.Sequential):
    """The auxiliary classifier of DARTS (Liu et al. 2019, arXiv 1806.09055): weight 0.4, training only.

    Args:
        channels: Channels of the tapped map, 8x8 on CIFAR, 14x14 on ImageNet.
        num_classes: Number of classes.
        imagenet: The ImageNet form: pooling with stride 2, and no BatchNorm after the last convolution.

    Raises:
        ValueError: In ``forward``, if the map is too small to be pooled to 2x2.
    """

    def __init__(self, channels: int, num_classes: int, *, imagenet: bool = False) -> None:
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=2 if imagenet else 3, padding=0, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            *(() if imagenet else (nn.BatchNorm2d(768),)),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(768, num_classes),
        )
        self.smallest = 7 if imagenet else 8  # two places of a 5x5 window

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W) -> (B, num_classes)``."""
        if min(x.shape[2:]) < self.smallest:
            raise ArgumentError(
                f"the auxiliary classifier needs maps of {self.smallest}x{self.smallest} or more, got "
                f"{x.shape[2]}x{x.shape[3]}: use larger images, or auxiliary_weight = 0"
            )
        logits: Tensor = super().forward(x)
        return logits

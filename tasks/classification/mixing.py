"""Mixing of images within a batch, by torchvision."""

from __future__ import annotations

from typing import Any

from torchvision.transforms import v2

from lightning_nas.errors import ArgumentError


def mixing(num_classes: int, mixup_alpha: float, cutmix_alpha: float) -> Any | None:
    """``(images, labels) -> (mixed images, shares (B, num_classes))``; draws from torch's generator.

    Args:
        num_classes: Number of classes.
        mixup_alpha: Of the Beta distribution of mixup (Zhang et al. 2018, arXiv 1710.09412); 0 for none.
        cutmix_alpha: Of CutMix (Yun et al. 2019, arXiv 1905.04899); 0 for none. With both, each batch gets one of them.

    Returns:
        The transform, or None if both are 0.

    Raises:
        ValueError: If one is negative.
    """
    for name, value in (("mixup_alpha", mixup_alpha), ("cutmix_alpha", cutmix_alpha)):
        if value < 0:
            raise ArgumentError(f"{name} must be at least 0, got {value}")
    chosen = [
        kind(alpha=alpha, num_classes=num_classes)
        for kind, alpha in ((v2.MixUp, mixup_alpha), (v2.CutMix, cutmix_alpha))
        if alpha
    ]
    if len(chosen) == 2:
        return v2.RandomChoice(chosen)
    return chosen[0] if chosen else None

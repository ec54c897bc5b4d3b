"""Architectures that papers have published, by name."""

from __future__ import annotations

from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.auto_deeplab.published import published_auto_deeplab
from lightning_nas.spaces.darts.published import PUBLISHED, published_darts
from lightning_nas.spaces.nasnet.published import PUBLISHED_NASNET, published_nasnet


def published_names() -> list[str]:
    """Names that :func:`published` knows."""
    return sorted([*PUBLISHED, *PUBLISHED_NASNET, "auto_deeplab"])


def published(name: str, **space_args: Any) -> Architecture:
    """A published architecture, in the size of its retraining (DARTS: 36 channels, 20 cells) if not told otherwise.

    Args:
        name: One of :func:`published_names`.
        **space_args: Arguments of its space: of :class:`Darts`, e.g. ``channels=48, cells=14, stem="imagenet"``, of
            :class:`NasNet`, or of :class:`AutoDeepLab`.

    Raises:
        ArchitectureError: If the name is unknown.
    """
    if name == "auto_deeplab":
        return published_auto_deeplab(**space_args)
    if name in PUBLISHED_NASNET:
        return published_nasnet(name, **space_args)
    if name not in PUBLISHED:
        raise ArchitectureError(f"unknown published architecture {name!r}; known are {published_names()}")
    return published_darts(name, **space_args)

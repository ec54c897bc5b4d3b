"""Levels of a pyramid, and which maps of a backbone they are made of.

Level ``l`` has stride ``2 ** l``: a pyramid from 3 to 7 has the strides 8, 16, 32, 64 and 128.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.checks import check_whole
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel


def check_levels(space: Any) -> None:
    """Refuses impossible levels, ``min_level`` and ``max_level``, of a neck.

    Raises:
        ArgumentError: Naming the argument.
    """
    check_whole(space, min_level=(0, 10), max_level=(0, 10))
    if space.max_level < space.min_level:
        raise ArgumentError(f"max_level must be at least min_level = {space.min_level}, got {space.max_level}")


def source_maps(inputs: FeatureInfo | None, min_level: int, max_level: int) -> list[int]:
    """Indices of a backbone's maps that a pyramid is made of: the last one of every stride, finest first.

    Raises:
        ValueError: If there are no maps, or those of the finest level or of one between are missing.
    """
    if inputs is None:
        raise ArgumentError("inputs = None: a neck needs the feature_info of a backbone")
    by_stride = {reduction: index for index, reduction in enumerate(inputs.reduction())}
    found = []
    for level in range(min_level, max_level + 1):
        if 2**level not in by_stride:
            break
        found.append(by_stride[2**level])
    deeper = [stride for stride in by_stride if 2 ** (min_level + len(found)) < stride <= 2**max_level]
    if not found or deeper:
        raise ArgumentError(
            f"inputs must hold maps of stride {2 ** (min_level + len(found))} for a pyramid from level {min_level} to "
            f"{max_level} (stride 2 ** level), got the strides {inputs.reduction()}"
        )
    return found


def pyramid_info(channels: int, levels: Sequence[int]) -> FeatureInfo:
    """Describes the levels of a pyramid that leaves its network through ``outlets``."""
    return FeatureInfo(FeatureLevel(channels, 2**level, f"outlets.{index}") for index, level in enumerate(levels))

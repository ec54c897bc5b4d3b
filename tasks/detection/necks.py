"""The hand-made necks, and the published NAS-FPN, by name."""

from __future__ import annotations

from typing import Literal, get_args

from lightning_nas.spaces import Backbone, FeatureInfo, NasFpn, build_space
from lightning_nas.spaces.nas_fpn import PUBLISHED

Neck = Literal["fpn", "panet", "bifpn", "nas_fpn"]


def build_neck(name: Neck, channels: int, inputs: FeatureInfo) -> Backbone:
    """A neck for the levels 3 to 7 on the maps of a backbone.

    Raises:
        ValueError: If there is no such neck, or the backbone lacks a level.
    """
    if name not in get_args(Neck):
        raise ValueError(f"neck must be one of {list(get_args(Neck))}, got {name!r}")
    space = build_space(name, {"channels": channels})
    return space.network(space.from_tokens(PUBLISHED) if isinstance(space, NasFpn) else {}, inputs=inputs)

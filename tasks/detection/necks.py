"""The hand-made necks, and the published NAS-FPN, by name."""

from __future__ import annotations

from typing import Any, Literal, get_args

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Backbone, FeatureInfo, build_space

Neck = Literal["fpn", "panet", "bifpn", "nas_fpn"]


def build_neck(name: Neck, channels: int, inputs: FeatureInfo, *, two_stages: bool = False) -> Backbone:
    """A neck on the maps of a backbone.

    One-stage detectors take the levels 3 to 7 (RetinaNet, FCOS). Faster R-CNN takes 2 to 6, the last of FPN pooled (Lin et
    al. 2017, arXiv 1612.03144); 3 to 6 of a backbone without a map of stride 4. The published NAS-FPN is for 3 to 7.

    Raises:
        ValueError: If there is no such neck, or the backbone lacks a level.
    """
    if name not in get_args(Neck):
        raise ArgumentError(f"neck must be one of {list(get_args(Neck))}, got {name!r}")
    arguments: dict[str, Any] = {"channels": channels}
    if two_stages and name != "nas_fpn":
        arguments |= {"min_level": 2 if 4 in inputs.reduction() else 3, "max_level": 6}
    if two_stages and name == "fpn":
        arguments["extra"] = "pool"
    space = build_space(name, arguments)
    return space.network(space.published_choices(), inputs=inputs)

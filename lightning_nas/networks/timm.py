"""Found backbones in timm's registry, and so in libraries that build theirs with ``timm.create_model``, such as effdet."""

from __future__ import annotations

import os
import sys
import warnings
from types import ModuleType
from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.buildable import Buildable, Source, checked_name, optional_package
from lightning_nas.ops import DropPath
from lightning_nas.spaces import Backbone

_MODELS = ModuleType("lightning_nas_backbones")  # where timm finds our functions; it writes into such a module
_REGISTERED: dict[str, Buildable] = {}
_NOT_USED = {"pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "num_classes", "global_pool"}
"""What timm hands to every model about weights that it would download, and what describes the head that is left out."""


def register_backbone(
    name: str,
    source: Source,
    weights: str | os.PathLike[str] | bool | None = None,
    *,
    prefix: str | None = None,
) -> None:
    """Makes a found backbone, or the supernet of a space, known to timm.

    ``timm.create_model(name, features_only=True)`` then builds it, with timm's arguments ``out_indices``, ``in_chans``,
    ``output_stride`` (of a space that has it), ``drop_path_rate`` and ``pretrained``: weights are loaded with
    ``pretrained=True`` alone. Arguments of a head are left out with it, as timm does, and other rates may be zero. It returns
    a list of maps, described by ``feature_info``. As a classifier (without ``features_only``) it is not built.

    Args:
        name: Letters, digits, underscores. A name that was registered before gets the new backbone.
        source: What :func:`lightning_nas.load_backbone` takes as architecture; a search space for its supernet.
        weights: As of :func:`lightning_nas.load_backbone`; there are none of a supernet.
        prefix: The same: of the backbone's names in the weights.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If the name is timm's own or has other characters, or weights are given for a supernet.
        FileNotFoundError, ArchitectureError: If there is no such architecture.
    """
    timm = optional_package("timm", "timm")
    checked_name(name)
    if name not in _REGISTERED and timm.is_model(name):
        raise ArgumentError(f"name = {name!r}: timm has a model of that name, choose another one")
    buildable = Buildable(source, weights, prefix)
    if name not in _REGISTERED:
        sys.modules[_MODELS.__name__] = _MODELS

        def create(pretrained: bool = False, **arguments: Any) -> Backbone:
            return _create(name, pretrained, **arguments)

        create.__name__, create.__module__ = name, _MODELS.__name__
        setattr(_MODELS, name, timm.models.register_model(create))
    _REGISTERED[name] = buildable


def _create(
    name: str,
    pretrained: bool,
    *,
    features_only: bool = False,
    out_indices: Any = None,
    in_chans: int | None = None,
    output_stride: int | None = None,
    drop_path_rate: float = 0.0,
    **others: Any,
) -> Backbone:
    """What ``timm.create_model`` calls.

    Raises:
        ValueError: If an argument does not apply to a found backbone.
    """
    buildable = _REGISTERED[name]
    if not features_only:
        raise ArgumentError(f"{name} is a backbone: build it with features_only=True")
    unknown = sorted(
        key for key, value in others.items() if key not in _NOT_USED and not (key.endswith("_rate") and value == 0)
    )
    if unknown:
        raise ArgumentError(
            f"{name}: {unknown[0]} = {others[unknown[0]]!r} does not apply to a backbone of lightning_nas"
        )
    if pretrained and buildable.file is None:
        raise ArgumentError(f"{name} was registered without weights: build it with pretrained=False")
    if output_stride is not None and not buildable.dilates:
        raise ArgumentError(f"{name}: output_stride = {output_stride}: its space cannot dilate, leave it out")
    network = buildable.build(
        in_channels=in_chans, output_stride=output_stride, out_indices=out_indices, trained=pretrained
    )
    paths = [module for module in network.modules() if isinstance(module, DropPath)]
    for path in paths:
        path.rate = path.share * drop_path_rate
    if drop_path_rate and not paths:
        warnings.warn(f"{name}: drop_path_rate = {drop_path_rate} has no effect, it has no paths to drop", stacklevel=3)
    return network

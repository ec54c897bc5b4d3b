"""Backbones that other libraries build by name: with their number of image channels, as often as they want."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArgumentError, MissingPackageError, WeightsError
from lightning_nas.networks.backbone import find_architecture, load_backbone, weights_file
from lightning_nas.spaces import Backbone, SearchSpace, build_space

Source = str | os.PathLike[str] | Architecture | SearchSpace
"""What :func:`load_backbone` takes, or a search space, whose supernet is meant."""

NAME = re.compile(r"[A-Za-z0-9_]+")


class Buildable:
    """A found backbone, or the supernet of a space.

    Args:
        source: What :func:`load_backbone` takes as architecture; a space for its supernet.
        weights: As of :func:`load_backbone`; there are none of a supernet.
        prefix: The same.

    Attributes:
        file: The weights, if there are any.
        in_channels: Channels of the image as recorded.
        dilates: Whether the space has an ``output_stride``: convolutions are dilated where it keeps maps from shrinking.

    Raises:
        FileNotFoundError, ArchitectureError: If there is no such architecture.
        WeightsError: If there is a prefix but no file of weights.
        ValueError: If weights are given for a supernet, or the backbone does not say how many channels it reads.
    """

    def __init__(
        self, source: Source, weights: str | os.PathLike[str] | bool | None = None, prefix: str | None = None
    ) -> None:
        self.origin: SearchSpace | Architecture
        self.file: Path | None = None
        if isinstance(source, SearchSpace):
            if weights is not None:
                raise ArgumentError(f"weights = {weights!r}: the supernet of a space starts without, pass None")
            self.origin, arguments = source, source.args
        else:
            self.origin, folder = find_architecture(source)
            self.file = weights_file(weights, folder)
            part = self.origin.components["backbone"]
            arguments = build_space(part.space, part.space_args).args
        if prefix is not None and self.file is None:
            raise WeightsError(f"prefix = {prefix!r}: there are no weights, pass their file as weights")
        self.prefix = prefix
        if "in_channels" not in arguments:
            raise ArgumentError(f"source must be a backbone with an argument in_channels, got {source!r}")
        self.in_channels: int = arguments["in_channels"]
        self.dilates = "output_stride" in arguments

    def build(
        self,
        *,
        in_channels: int | None = None,
        output_stride: int | None = None,
        out_indices: int | Sequence[int] | None = None,
        trained: bool = True,
    ) -> Backbone:
        """A new network.

        Args:
            in_channels: Channels of the image, if other than recorded.
            output_stride: Largest stride of its maps, for a space that dilates; None as recorded.
            out_indices: Which of its maps are returned; all if None.
            trained: Whether its weights are loaded, or it starts anew.

        Raises:
            WeightsError: If the weights do not fit.
        """
        changes = {"in_channels": in_channels, "output_stride": output_stride}
        changes = {name: value for name, value in changes.items() if value is not None}
        if isinstance(self.origin, SearchSpace):
            return replace(self.origin, **changes).supernet(out_indices=out_indices)
        architecture = self.origin.with_args(**changes)
        if not trained:
            return load_backbone(architecture, False, out_indices)
        return load_backbone(architecture, self.file or False, out_indices, prefix=self.prefix)


def checked_name(name: str) -> str:
    """A name that registries take.

    Raises:
        ValueError: If it has other characters than letters, digits and underscores.
    """
    if not NAME.fullmatch(name):
        raise ArgumentError(f"name must consist of letters, digits and underscores, got {name!r}")
    return name


def optional_package(module: str, package: str) -> ModuleType:
    """Imports a library that only a plug-in needs.

    Raises:
        ImportError: If it is not installed; names the package to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MissingPackageError(f"{module} is not installed: pip install {package}") from None

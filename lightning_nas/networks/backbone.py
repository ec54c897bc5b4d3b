"""From an architecture record to a backbone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import psutil
from torch import Tensor

from lightning_nas.architecture import Architecture
from lightning_nas.cost.probe import random_numbers_kept
from lightning_nas.errors import ArchitectureError, MissingFileError, WeightsError
from lightning_nas.networks.weightless import without_weights
from lightning_nas.networks.weights import load_weights
from lightning_nas.runs import RunFolder
from lightning_nas.runs.history import choices_of_epoch
from lightning_nas.spaces import Backbone, published, published_names
from lightning_nas.spaces.record import from_architecture

__all__ = ["SelectedFeatures", "build_network", "find_architecture", "load_backbone", "load_weights"]


class SelectedFeatures(Backbone):
    """A backbone that returns some of another one's feature maps, in the given order.

    The whole network is computed, also layers behind the deepest level that is chosen: with those left out of the loss,
    distributed training needs ``find_unused_parameters``.

    Args:
        network: The backbone.
        out_indices: Which of the maps that it returns; negative ones count from the end. A number: so many of the last.

    Raises:
        ValueError: If a level does not exist, or none is chosen.

    Example:
        >>> from lightning_nas.networks import ResidualBackbone
        >>> SelectedFeatures(ResidualBackbone(4, (1, 2, 4)), (0, -1)).feature_info.reduction()
        [1, 4]
    """

    def __init__(self, network: Backbone, out_indices: int | Sequence[int]) -> None:
        super().__init__()
        auxiliary = network.auxiliary_info
        self.feature_info = network.feature_info.select(out_indices).within("network")
        self.auxiliary_info = None if auxiliary is None else auxiliary.within("network")
        self.role = network.role
        self.out_indices = network.feature_info.positions(out_indices)
        self.network = network

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the chosen maps, and the auxiliary map of the network."""
        features, auxiliary = self.network.forward_auxiliary(x)
        return [features[index] for index in self.out_indices], auxiliary


def build_network(architecture: Architecture) -> Backbone:
    """The network of an architecture, freshly initialised.

    Raises:
        ArchitectureError: If the record names an unknown space, argument, decision or option, or its network needs more memory
            than is free.
    """
    space, choices = from_architecture(architecture)
    _require_memory(_bytes_of(architecture))
    network = space.network(choices)
    network.built_from = architecture
    return network


@lru_cache(maxsize=64)
def _bytes_of(architecture: Architecture) -> int:
    """What the weights of its network need; it is built without memory."""
    space, choices = from_architecture(architecture)
    try:
        with random_numbers_kept(), without_weights():
            network = space.network(choices)
    except Exception as error:  # whatever the values of a stranger's record lead to
        raise ArchitectureError(
            f"the network of this record cannot be built: {type(error).__name__}: {error}"
        ) from error
    return sum(tensor.numel() * tensor.element_size() for tensor in (*network.parameters(), *network.buffers()))


def _require_memory(needed: int) -> None:
    """A record is small whatever it asks for, so the weights are counted first."""
    free = psutil.virtual_memory().available
    if needed > free:
        raise ArchitectureError(
            f"the network of this record needs {needed / 2**30:.1f} GiB for its weights alone, and {free / 2**30:.1f} GiB "
            "are free"
        )


def find_architecture(source: str | os.PathLike[str] | Architecture) -> tuple[Architecture, Path | None]:
    """The record that a file, a run folder, an epoch of a search or the name of a published architecture stands for.

    Args:
        source: One of them; ``<run>/epochs/8`` is what the logits of a search pointed to after epoch 8.

    Returns:
        The record, and the folder if it is one of a run.

    Raises:
        FileNotFoundError: If it is none of them.
        ArchitectureError: If the record is malformed.
    """
    if isinstance(source, Architecture):
        return source, None
    if isinstance(source, str) and source in published_names():
        return published(source), None
    path = Path(source)
    of_epoch = RunFolder.naming_epoch(path)
    if of_epoch is not None:
        return _architecture_of_epoch(*of_epoch), None
    if not os.path.exists(path):  # unlike Path.exists, also False for what no path can be
        raise MissingFileError(
            f"architecture = {str(source)!r}: neither a file nor a run folder, nor a published one of {published_names()}"
        )
    if not path.is_dir():
        return Architecture.load(path), None
    record = RunFolder(path).architecture
    if not record.is_file():
        raise MissingFileError(f"architecture = {str(source)!r}: the folder holds no {record.name}")
    return Architecture.load(record), path


def _architecture_of_epoch(run: RunFolder, epoch: int) -> Architecture:
    """What the logits of a search pointed to after an epoch, as a record like that of the run."""
    if not run.architecture.is_file():
        raise MissingFileError(f"architecture = {str(run.of_epoch(epoch))!r}: {run} holds no {run.architecture.name}")
    record = Architecture.load(run.architecture)
    space, last = from_architecture(record)
    return space.architecture({**last, **choices_of_epoch(run, epoch)}, {**record.provenance, "epoch": epoch})


def load_backbone(
    architecture: str | os.PathLike[str] | Architecture,
    weights: str | os.PathLike[str] | bool | None = None,
    out_indices: int | Sequence[int] | None = None,
    in_channels: int | None = None,
    *,
    prefix: str | None = None,
) -> Backbone:
    """A found backbone for any project: an ordinary module, no search code is loaded.

    Args:
        architecture: The record, its file ``architecture.json``, the folder of a search or a training, an epoch of a search,
            ``<run>/epochs/8``, or the name of a published one, e.g. ``"darts_v2"``
            (:func:`lightning_nas.spaces.published_names`).
        weights: Lightning checkpoint of a module whose ``backbone`` it was, saved state dict, ``.safetensors``, or the
            folder of a run: then the network that was trained there, by a search the one it has found. If None, those of
            the folder that ``architecture`` names; freshly initialised if it has none (with a warning) or is no folder.
            True: the same, but an error if there are none. False: freshly initialised.
        out_indices: Maps that ``forward`` returns, e.g. ``(1, 2, 3, 4)``; all if None. Negative ones count from the
            end. A number: so many of the last.
        in_channels: Channels of the image, if other than recorded. Weights must have been trained with as many.
        prefix: Of the backbone's names in the weights, e.g. ``"teacher."``, where several networks there are equal; found
            if None.

    Returns:
        A module that maps ``(B, in_channels, H, W)`` to a list of maps, described by its ``feature_info``.

    Raises:
        FileNotFoundError: If a file is missing.
        ArchitectureError: If the record is malformed or does not belong to its space.
        WeightsError: If the weights do not fit; the error lists what.
        ValueError: If a level does not exist.

    Example:
        >>> from lightning_nas.spaces import Darts
        >>> space = Darts(channels=4, cells=3)
        >>> architecture = space.architecture(space.decode(space.supernet().logits))
        >>> backbone = load_backbone(architecture, out_indices=(1, 2))
        >>> backbone.feature_info.channels(), backbone.feature_info.reduction()
        ([32, 64], [2, 4])
    """
    record, folder = find_architecture(architecture)
    if in_channels is not None:
        record = record.with_args("backbone", in_channels=in_channels)
        if "image" in record.components:
            record = record.with_args("image", in_channels=in_channels)
    network = build_network(record)
    file = weights_file(weights, folder)
    if file is not None:
        load_weights(network, file, prefix)
    elif prefix is not None:
        raise WeightsError(f"prefix = {prefix!r}: there are no weights, pass their file as weights")
    return network if out_indices is None else SelectedFeatures(network, out_indices)


def weights_file(weights: str | os.PathLike[str] | bool | None, folder: Path | None) -> Path | None:
    """The file that the argument ``weights`` of :func:`load_backbone` stands for; None for fresh weights.

    Args:
        weights: The argument.
        folder: Of the run that the architecture is from, if it is.

    Raises:
        WeightsError: If weights are asked for and the folder has none.
    """
    if weights is not None and not isinstance(weights, bool):
        folder = Path(weights)
        if not folder.is_dir():
            return folder
    elif weights is False or (weights is None and folder is None):
        return None
    if folder is None:
        raise WeightsError("weights = True: the architecture must be given as the folder of a run")
    run = RunFolder(folder)
    found = run.trained_weights
    if found is None and weights is not None:
        searched, trained = run.named(run.found.last_checkpoint), run.named(run.last_checkpoint)
        raise WeightsError(
            f"weights = {weights!r}: {folder} has neither {searched} of a search nor {trained} of a training"
        )
    if found is None:
        warnings.warn(f"{folder} holds no trained network: its architecture is freshly initialised", stacklevel=3)
    return found

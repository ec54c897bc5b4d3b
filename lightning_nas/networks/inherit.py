"""Initialises a found network with what its supernet has learnt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from lightning_nas.architecture import Architecture, Choices
from lightning_nas.errors import ArgumentError, MissingFileError
from lightning_nas.networks.weights import load_weights
from lightning_nas.runs import RunFolder
from lightning_nas.spaces import Supernet
from lightning_nas.spaces.record import from_architecture


@dataclass(frozen=True)
class Inherited:
    """What was taken over.

    Args:
        copied: Names of the network's tensors that now hold the supernet's values.
        skipped: Names of those that keep their initial values -> why.

    Example:
        >>> len(Inherited(copied=("stem.weight",), skipped={}).copied)
        1
    """

    copied: tuple[str, ...]
    skipped: Mapping[str, str]


def inherit_weights(network: nn.Module, supernet: Supernet, choices: Choices) -> Inherited:
    """Copies the weights and statistics of the chosen operations from a supernet into a found network, in place.

    Where the supernet's BatchNorm has no scale and shift, the network's keep 1 and 0, which compute the same. So a
    network of the supernet's size starts as the path it was in the supernet (but for poolings, which a DARTS supernet
    normalises and a found network does not); of a larger network, the tensors of equal shape are taken.

    Args:
        network: Built by the supernet's space, or by one of the same kind and other size.
        supernet: The trained supernet.
        choices: The architecture of the network.

    Returns:
        What was copied and what was not.

    Raises:
        ArchitectureError: If the choices are not an architecture of the supernet's space.
        ValueError: If nothing fits: the network is of another kind.
    """
    ours = network.state_dict()
    held = supernet.held(choices, ours)
    copied: list[str] = []
    skipped: dict[str, str] = {}
    with torch.no_grad():
        for name, tensor in ours.items():
            if name not in held:
                skipped[name] = "not in the supernet"
            elif held[name].shape != tensor.shape:
                skipped[name] = f"shape {tuple(tensor.shape)}, in the supernet {tuple(held[name].shape)}"
            else:
                tensor.copy_(held[name])
                copied.append(name)
    if not copied:
        raise ArgumentError(f"network: no tensor of {type(network).__name__} fits one of {type(supernet).__name__}")
    return Inherited(tuple(copied), skipped)


def inherit_from_run(network: nn.Module, architecture: Architecture, folder: str | os.PathLike[str]) -> Inherited:
    """Copies what the supernet of a finished search has learnt, see :func:`inherit_weights`.

    Args:
        network: The network of the architecture, filled in place.
        architecture: Found by that search; its size may have been changed since.
        folder: The run folder of the search.

    Raises:
        MissingFileError: If the folder lacks one of the files.
        ValueError: If the weights are not those of a supernet of the run's space, or nothing fits.
    """
    run = RunFolder(folder)
    if not run.architecture.is_file():
        raise MissingFileError(
            f"inherit = {str(folder)!r}: there is no {run.named(run.architecture)}, so it is no finished search"
        )
    if not run.last_checkpoint.is_file():
        raise MissingFileError(
            f"inherit = {str(folder)!r}: there is no {run.named(run.last_checkpoint)}: no supernet was trained there; "
            f"{run.named(run.found.last_checkpoint)} holds the network that was found, for weights=<file>"
        )
    space, _ = from_architecture(Architecture.load(run.architecture))
    supernet = space.supernet()
    load_weights(supernet, run.last_checkpoint)
    _, choices = from_architecture(architecture)
    return inherit_weights(network, supernet, choices)

"""Backbone weights from a run of another task, e.g. a classification."""

from __future__ import annotations

import os
from pathlib import Path

from lightning_nas.architecture import Architecture
from lightning_nas.networks.weights import WeightsError, load_weights
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.product import ProductNetwork


def load_backbone_weights(network: Backbone, architecture: Architecture, folder: str | os.PathLike[str]) -> None:
    """Fills the backbone of a network with what the same backbone has learnt in another run.

    Args:
        network: The network of the architecture, filled in place; its neck, if it has one, stays as it is.
        architecture: Its record.
        folder: Run folder of a training, with ``architecture.json`` and ``checkpoints/last.ckpt``.

    Raises:
        FileNotFoundError: If the folder lacks one of the files.
        WeightsError: If the backbone there has another architecture, or the weights do not fit.
    """
    run = Path(folder)
    for name in ("architecture.json", "checkpoints/last.ckpt"):
        if not (run / name).is_file():
            raise FileNotFoundError(f"backbone_weights = {str(folder)!r}: there is no {name}, so it is no finished run")
    record = Architecture.load(run / "architecture.json")
    theirs, ours = record.components["backbone"], architecture.components["backbone"]
    if theirs != ours:
        raise WeightsError(
            f"backbone_weights = {str(folder)!r}: its backbone is {theirs.to_dict()}, which is not {ours.to_dict()}"
        )
    part = network.parts["backbone"] if isinstance(network, ProductNetwork) else network
    prefix = "backbone.parts.backbone." if len(record.components) > 1 else "backbone."
    load_weights(part, run / "checkpoints" / "last.ckpt", prefix)

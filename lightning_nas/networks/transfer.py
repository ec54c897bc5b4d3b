"""Backbone weights from a run of another task, e.g. a classification."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lightning_nas.architecture import Architecture, Component
from lightning_nas.errors import MissingFileError, WeightsError
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.runs import RunFolder
from lightning_nas.spaces import Backbone


def load_backbone_weights(network: Backbone, architecture: Architecture, folder: str | os.PathLike[str]) -> None:
    """Fills the backbone of a network with what the same backbone has learnt in another run.

    Args:
        network: The network of the architecture, filled in place; its neck, if it has one, stays as it is.
        architecture: Its record.
        folder: Run folder of a training.

    Raises:
        FileNotFoundError: If the folder lacks one of the files.
        WeightsError: If the backbone there has another architecture, or the weights do not fit.
    """
    run = RunFolder(folder)
    for file in (run.architecture, run.network_checkpoint):
        if not file.is_file():
            raise MissingFileError(
                f"backbone_weights = {str(folder)!r}: there is no {run.named(file)}, so it is no finished run"
            )
    record = Architecture.load(run.architecture)
    theirs, ours = record.components["backbone"], architecture.components["backbone"]
    if _trunk(theirs) != _trunk(ours):
        raise WeightsError(
            f"backbone_weights = {str(folder)!r}: its backbone is {theirs.to_dict()}, which is not {ours.to_dict()}"
        )
    part = network.named_parts().get("backbone", network)
    prefix = "backbone.parts.backbone." if len(record.components) > 1 else "backbone."
    copy_trunk(part, read_state_dict(run.network_checkpoint), prefix, str(run.network_checkpoint))


def copy_trunk(backbone: nn.Module, state: Mapping[str, Tensor], prefix: str, source: str) -> None:
    """Fills a backbone with tensors that may hold a closing convolution (``head``) beside it.

    Args:
        backbone: What to fill, in place.
        state: Named tensors.
        prefix: Where the backbone lies among them.
        source: What to call them in messages.

    Raises:
        WeightsError: If a tensor is missing or has another shape.
    """
    wanted = backbone.state_dict()
    part = {name: state[prefix + name] for name in wanted if prefix + name in state}
    bad = [name for name, value in wanted.items() if name not in part or part[name].shape != value.shape]
    if bad:
        raise WeightsError(
            f"{source}: {len(bad)} tensors of the backbone are missing or of other shape, e.g. {bad[:5]}"
        )
    backbone.load_state_dict(part)


def _trunk(part: Component) -> tuple[Any, ...]:
    """What two backbones must share: everything but a closing convolution, which only classifiers need."""
    args = {name: value for name, value in part.space_args.items() if name != "head_channels"}
    return part.space, args, dict(part.choices)

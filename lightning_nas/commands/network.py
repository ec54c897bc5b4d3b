"""The network of ``train``: the architecture that was named, changed as asked for, with the weights that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ConfigError
from lightning_nas.networks.backbone import find_architecture, load_weights
from lightning_nas.networks.inherit import inherit_from_run
from lightning_nas.networks.remapping import remap
from lightning_nas.networks.seeds import Seed, seed_weights
from lightning_nas.networks.transfer import load_backbone_weights
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.runs import RunFolder
from lightning_nas.spaces import Backbone, SearchSpace, from_architecture, published_names


def named_architecture(config: DictConfig) -> Architecture:
    """The architecture that ``config.architecture`` names: a run folder, a file or a published name.

    Raises:
        ConfigError: If there is none of them.
    """
    if not config.architecture:
        raise ConfigError(
            "architecture = null: name the folder of a search, a record, or a published one: "
            + ", ".join(published_names())
        )
    try:
        return find_architecture(config.architecture)[0]
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from None


def check_changes(architecture: Architecture, config: DictConfig) -> None:
    """Says what does not fit of ``config.part`` and ``config.neck``.

    Raises:
        ConfigError: If the part does not exist, or a neck is to be changed that there is not.
    """
    if config.part is not None and config.part not in architecture.components:
        raise ConfigError(f"part = {config.part!r}: the architecture has {sorted(architecture.components)}")
    if config.neck and (config.part not in (None, "neck") or "neck" not in architecture.components):
        neck = OmegaConf.to_container(config.neck, resolve=True)
        raise ConfigError(f"neck = {neck}: the architecture has no neck; use task.neck and task.channels")


def resized(architecture: Architecture, config: DictConfig, in_channels: int) -> Architecture:
    """An architecture with the changes of ``config.network`` and ``config.neck``, for images with so many channels.

    Args:
        architecture: That :func:`check_changes` has looked at.
        config: Of the command.
        in_channels: Of the images.
    """
    if config.part is not None:
        architecture = Architecture({config.part: architecture.components[config.part]}, architecture.provenance)
    changes: dict[str, Any] = {key: OmegaConf.to_container(config[key], resolve=True) for key in ("network", "neck")}
    if changes["neck"]:
        architecture = architecture.with_args("neck", **changes["neck"])
    return architecture.with_args("backbone", **changes["network"], in_channels=in_channels)


def named_seed(config: DictConfig, space: SearchSpace) -> Seed | None:
    """The pretrained weights that ``config.pretrained`` names for a space; None if it names none.

    Raises:
        ConfigError: If it is neither true, nor the name of a network, nor a file.
        WeightsError: If the weights cannot be had, or are those of a network that is not known.
    """
    named = config.pretrained
    if named is None or named is False:
        return None
    if not isinstance(named, bool | str):
        raise ConfigError(f"pretrained = {named!r}: expected true, the name of a network or a weights file")
    return seed_weights(named, space.published_weights)


def start_from(network: Backbone, architecture: Architecture, config: DictConfig) -> None:
    """Fills a network with the weights that ``weights``, ``backbone_weights``, ``inherit`` or ``pretrained`` name, if any.

    Raises:
        ConfigError: If several are named, or the backbone is of another architecture.
    """
    named = [key for key in ("weights", "backbone_weights", "inherit", "pretrained") if config[key]]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} are given: name one of them")
    if config.weights:
        load_weights(network, config.weights)
    if config.backbone_weights:
        load_backbone_weights(network, architecture, config.backbone_weights)
    seed = named_seed(config, from_architecture(architecture)[0])
    if seed is not None:
        remapped = remap(seed, network)
        print(
            f"pretrained: {len(remapped.filled)} tensors start from {seed.name} ({seed.source}), {len(remapped.left)} anew"
        )
    if config.inherit:
        inherited = inherit_from_run(network, architecture, config.inherit)
        print(f"inherited {len(inherited.copied)} tensors of {config.inherit}, {len(inherited.skipped)} start anew")


def start_from_front(task: nn.Module, config: DictConfig) -> None:
    """Fills a whole task with the weights that lie beside its architecture, where that is the folder of a network of a front.

    Nothing is done if other weights are named. Tensors of other shapes, e.g. of a head for other classes, start anew.

    Args:
        task: Around the network of ``config.architecture``.
        config: Of the command.
    """
    file = RunFolder(str(config.architecture)).weights
    named = [config[key] for key in ("weights", "backbone_weights", "inherit", "pretrained") if config[key]]
    if not file.is_file() or any(not isinstance(name, str) or Path(name) != file for name in named):
        return
    fitting, wanted = filled(task, read_state_dict(file))
    print(f"{fitting} tensors start from {file}, {wanted - fitting} anew")


def filled(task: nn.Module, state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Gives a task those tensors that have its names and shapes.

    Returns:
        How many these were, and how many the task has.
    """
    wanted = task.state_dict()
    fitting = {name: state[name] for name in wanted if name in state and state[name].shape == wanted[name].shape}
    task.load_state_dict({**wanted, **fitting})
    return len(fitting), len(wanted)

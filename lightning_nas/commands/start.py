"""``train model=<model>``: a training that goes on from a trained network, perhaps on other data with other classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import nn

from lightning_nas.commands.network import filled
from lightning_nas.errors import ConfigError
from lightning_nas.models import ModelRecord, read_model
from lightning_nas.networks.weights import read_state_dict

ALSO = ("architecture", "weights", "backbone_weights", "inherit", "pretrained", "part")
"""Keys that say in another way what is trained, or what it starts from."""


@dataclass(frozen=True)
class Start:
    """A trained network from which a training starts.

    Args:
        record: Of the network.
        weights: Their file.
        named: How the user has named it.
    """

    record: ModelRecord
    weights: Path
    named: str

    def fill(self, task: nn.Module, datamodule: Any) -> None:
        """Gives a task the weights of the network; what has another shape, as for other classes, starts anew.

        Where there are as many classes and they have other names, layers for classes start with the weights of the old ones.
        """
        fitting, wanted = filled(task, read_state_dict(self.weights))
        print(f"{fitting} tensors start from {self.named}, {wanted - fitting} anew")
        now = [str(name) for name in getattr(datamodule, "class_names", ())]
        if now and now != list(self.record.class_names):
            print(f"classes:  {_short(now)} instead of {_short(self.record.class_names)}")


def read_start(config: DictConfig) -> Start:
    """The network that ``config.model`` names; its task's arguments become those of ``config.task``.

    Arguments that the user has written (``task.lr=...``) win over those of the network, and what the data say is left to them.

    Args:
        config: Of the command; changed in place, so that the record of the run says what was trained.

    Raises:
        ConfigError: If other weights or another architecture are named as well, or the task is another one.
    """
    others = [key for key in ALSO if config[key]]
    if others:
        raise ConfigError(
            f"model = {config.model!r} and {others[0]} = {config[others[0]]!r} are given: name one of them"
        )
    record, weights = read_model(config.model)
    if config.task["_target_"] != record.task["target"]:
        raise ConfigError(
            f"model = {config.model!r} is a network of {record.task['target']}, got task={config.task['_target_']}: "
            f"add task={record.task['name']}"
        )
    given = {item.lstrip("+~").partition("=")[0] for item in HydraConfig.get().overrides.task}
    said_by_data = record.data.get("task_arguments", [])
    kept = {
        name: value
        for name, value in record.task["arguments"].items()
        if f"task.{name}" not in given and name not in said_by_data
    }
    config.task = OmegaConf.merge(config.task, kept)
    return Start(record, weights, str(config.model))


def _short(names: Any) -> str:
    shown = ", ".join(list(names)[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"

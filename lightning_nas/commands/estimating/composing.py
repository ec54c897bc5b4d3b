"""The config that another command would have, and what in it decides where and on how much that runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

from lightning_nas.commands.check import check_early
from lightning_nas.commands.completing import completed
from lightning_nas.commands.refusing import CONFIGS
from lightning_nas.commands.renamed import refuse_old_names
from lightning_nas.errors import ConfigError
from lightning_nas.estimation.limits import Limits

COMMANDS = ("search", "train", "auto")
"""Those whose time is worth an estimate."""

LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "strategy")


@dataclass(frozen=True)
class Composed:
    """Another command.

    Args:
        config: That it would have.
        folder: That it would write into.
    """

    config: DictConfig
    folder: Path

    @property
    def devices(self) -> int:
        """Devices that it would run on."""
        return devices_of(self.config.trainer)

    @property
    def limits(self) -> Limits:
        """Of what is measured: one device alone."""
        trainer = self.config.trainer
        named = trainer.get("devices")
        first = [int(named[0])] if OmegaConf.is_list(named) and len(named) else 1
        return Limits(asked={name: trainer.get(name) for name in LIMITS}, device=first)


def composed_command(command: str, overrides: Sequence[str]) -> Composed:
    """Composes the config of a command as that does, and checks it as early.

    Args:
        command: ``"search"`` or ``"train"``.
        overrides: Of its settings.

    Raises:
        ConfigError: If a key or a value is wrong, or several jobs are asked for.
    """
    flags = [item for item in overrides if item.startswith("-")]
    if flags:
        raise ConfigError(f"{flags[0]}: estimate looks at one job; leave it out, and multiply by the number of jobs")
    given = list(overrides)
    refuse_old_names(given)
    given = completed(command, given)
    GlobalHydra.instance().clear()
    setup_globals()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        config = compose(command, given, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    folder = Path(str(config.hydra.run.dir))
    with open_dict(config):
        config.pop("hydra")
    check_early(config)
    accelerator = config.trainer.get("accelerator")
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"trainer.accelerator = {accelerator!r}: this machine has none; estimate where the command is to run"
        )
    return Composed(config, folder)


def devices_of(trainer: Any) -> int:
    """Processes that a Trainer's config asks for, on all nodes.

    Raises:
        ConfigError: If it is neither a number, nor a list, nor ``auto``.

    Example:
        >>> devices_of({"devices": 8, "num_nodes": 2}), devices_of({"devices": [0, 3]}), devices_of({"devices": "0,1,2"})
        (16, 2, 3)
    """
    named, nodes = trainer.get("devices", 1), int(trainer.get("num_nodes") or 1)
    if named in (-1, "-1", "auto"):
        count = torch.cuda.device_count() if trainer.get("accelerator") in ("auto", "gpu", "cuda") else 1
        return max(count, 1) * nodes
    if isinstance(named, int) and named > 0:
        return named * nodes
    if isinstance(named, str) and all(part.strip().isdigit() for part in named.split(",")):
        return nodes * (int(named) if "," not in named else len(named.split(",")))
    if not isinstance(named, str | int) and named is not None and len(named):
        return len(named) * nodes
    raise ConfigError(f"trainer.devices = {named!r}: expected a number from 1 on, a list of devices, -1 or auto")

"""The groups ``callbacks`` and ``logger``: what trainings get beside what each of them has, under names of the user's choice.

Every training makes its own. ``${training:folder}``, ``${training:name}`` and ``${training:id}`` in a config stand for those of
the training: a search trains several networks in folders within its own.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from lightning_nas.commands.check import GROUPS, check_members
from lightning_nas.errors import ConfigError, MissingPackageError, NasError


@dataclass(frozen=True)
class _Training:
    """Where a training writes, and of which run it is."""

    folder: Path = Path("runs")
    run: Path = Path("runs")

    def value(self, key: str) -> str:
        """What ``${training:<key>}`` stands for."""
        if key == "folder":
            return str(self.folder)
        if key == "name":
            return Path(self.run.name, self.folder.relative_to(self.run)).as_posix()
        if key == "id":
            return hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        raise ConfigError(f"${{training:{key}}}: expected folder, name or id")


_current: ContextVar[_Training | None] = ContextVar("training", default=None)


def register_training_keys() -> None:
    """Makes ``${training:...}`` known to the configs."""
    OmegaConf.register_new_resolver("training", _value, replace=True)


def _value(key: str) -> str:
    """Has a name, since launchers of sweeps send it to other processes."""
    return (_current.get() or _Training()).value(key)


def check_groups(config: DictConfig) -> None:
    """Makes all members once, before any work is done.

    Raises:
        ConfigError: If one cannot be made of its arguments.
        MissingPackageError: If one needs a package that is not installed.
    """
    check_members(config)
    with tempfile.TemporaryDirectory() as nowhere:
        for group in GROUPS:
            members(config[group], group, Path(nowhere), Path(nowhere))


def members(group: DictConfig, key: str, run: Path, folder: Path) -> list[Any]:
    """The callbacks or loggers of one training, made anew.

    Args:
        group: Name -> a component; None stands for none.
        key: Place of the group in the config.
        run: Folder of the run.
        folder: Of the training, within it.

    Raises:
        ConfigError: If one cannot be made of its arguments.
        MissingPackageError: If one needs a package that is not installed.
    """
    token = _current.set(_Training(folder, run))
    try:
        return [_made(node, f"{key}.{name!s}") for name, node in group.items() if node is not None]
    finally:
        _current.reset(token)


def _made(node: DictConfig, key: str) -> Any:
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, NasError):
            raise ConfigError(f"{key}: {cause}") from error
        if isinstance(cause, ModuleNotFoundError):
            raise MissingPackageError(f"{key}: {cause}{_how_to_install(cause)}") from error
        if isinstance(cause, TypeError | ValueError):
            raise ConfigError(f"{key}: {node['_target_']} cannot be made: {cause}") from error
        raise


def _how_to_install(error: ModuleNotFoundError) -> str:
    """Lightning's own text says it; Python's names the package alone."""
    return "" if "pip install" in str(error) or not error.name else f": pip install {error.name.partition('.')[0]}"

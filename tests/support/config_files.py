"""What commands get from the files of ``conf``: those of a group at once, as composing one takes longer than most tests."""

import functools
from pathlib import Path

from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from lightning_nas.commands.schema import register_schemas

CONF = Path(__file__).resolve().parents[2] / "conf"


@functools.cache
def composed(*choices: str, command: str = "search") -> DictConfig:
    """The settings of a command."""
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose(command, list(choices))


@functools.cache
def composed_files(group: str) -> dict[str, DictConfig]:
    """Name of a file of the group -> what it gives where a search chooses it.

    They lie beside each other in the settings of one search, as parts of one space do. Files that set more than their own
    group, such as those of tasks, cannot.
    """
    names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    beside = composed("recipe=default/small", *(f"+{group}@space.files.{name}={name}" for name in names)).space.files
    return {name: beside[name] for name in names}

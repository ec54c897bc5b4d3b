"""The command of a run, kept in its folder: whoever starts there again must mean the same run.

The files are those that Hydra would write, in the same places. Hydra writes them before it calls anybody, and so over the
record of another run; here they are written after the comparison.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from lightning_nas.architecture import Architecture, write_atomic
from lightning_nas.commands.saved import read_config
from lightning_nas.errors import ConfigError, NasError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import read_overrides

PATIENCE_S = 15
"""How long a command waits for a folder: loaders of a process that was killed live on for some seconds."""

FREE = {
    "resume",
    "max_time",
    "logger",
    "data.num_workers",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.log_every_n_steps",
}
"""Keys that may differ: they say how long, how fast and where a run goes on, and who is told, not what it is."""

_SHOWN = 6
"""How many differences a message lists."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a run folder as long as the block lasts; ranks of one run are one.

    Args:
        folder: Of the run.

    Raises:
        ConfigError: If another process is at work there, or the folder cannot be written.
    """
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run = RunFolder(folder)
        used = run.lock.exists()
        lock = FileLock(run.lock, timeout=PATIENCE_S)
        lock.acquire()
    except Timeout:
        raise ConfigError(
            f"hydra.run.dir = {folder}: another process is at work there; wait for it, or name another folder"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"hydra.run.dir = {folder}: cannot be written: {error.strerror}; name another folder"
        ) from None
    try:
        yield
    except NasError:
        if not used:
            run.lock.unlink(missing_ok=True)  # nothing is written into the folder of another run
        raise
    finally:
        lock.release()


def claim(config: DictConfig, folder: Path) -> None:
    """Writes the command of a run into its folder, or compares it with the one that is there.

    Args:
        config: Of the command.
        folder: Of the run.

    Raises:
        ConfigError: If the folder holds results of another command; what differs is named, and nothing is written.
    """
    run = RunFolder(folder)
    if any(path.exists() for path in run.results):
        _compare(config, run)
    else:
        _write(config, run)


def claim_architecture(architecture: Architecture, folder: Path) -> None:
    """Writes the architecture that a run trains, or compares it with the one that is there.

    Raises:
        ConfigError: If another one was trained there: its file may have changed since.
    """
    path = RunFolder(folder).architecture
    if path.is_file() and Architecture.load(path).hash != architecture.hash:
        raise ConfigError(
            f"hydra.run.dir = {folder}: another architecture was trained there, that of {path}: name another folder"
        )
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]  # a rank that is ahead of the first one leaves nothing there
        architecture.save(path)


def _compare(config: DictConfig, run: RunFolder) -> None:
    where = f"hydra.run.dir = {run}"
    if not run.config.is_file():
        raise ConfigError(
            f"{where}: the folder holds results, and no {run.named(run.config)} says of which command: name another folder"
        )
    saved: Any = OmegaConf.to_container(read_config(run.config))
    new: Any = OmegaConf.to_container(OmegaConf.create(OmegaConf.to_yaml(config)))
    found = sorted(
        differences(saved, new), key=lambda text: "." in text.partition(" ")[0]
    )  # what is chosen comes first
    if ("strategy" in saved) != ("strategy" in new):
        found = [f"command ({_command(saved)}, now {_command(new)})"]
    if not found:
        return
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    past = read_overrides(run.overrides, ConfigError)
    raise ConfigError(
        f"{where}: the folder holds a run of another command, from which this one differs in {', '.join(found[:_SHOWN])}"
        f"{more}. Name another folder, or go on with the first command: {' '.join(past) or 'no overrides'}"
    )


@rank_zero_only
def _write(config: DictConfig, run: RunFolder) -> None:
    write_atomic(run.hydra, OmegaConf.to_yaml(HydraConfig.instance().cfg))
    write_atomic(run.overrides, OmegaConf.to_yaml(HydraConfig.get().overrides.task))
    write_atomic(run.config, OmegaConf.to_yaml(config))


def differences(saved: Mapping[Any, Any], new: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    """What makes two commands different runs, e.g. ``"seed (0, now 7)"``.

    A component of another class is one difference, whatever its arguments.

    Args:
        saved: Config of the run in the folder.
        new: Config of the command.
        prefix: Place of both in the config.

    Example:
        >>> list(differences({"seed": 0, "resume": False}, {"seed": 7, "resume": True}))
        ['seed (0, now 7)']
    """
    for name in [*saved, *(name for name in new if name not in saved)]:
        place, old, value = f"{prefix}{name}", saved.get(name), new.get(name)
        if place in FREE or old == value or (value == {} and name not in saved):  # a group of a later version, unused
            continue
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            if old.get("_target_") == value.get("_target_"):
                yield from differences(old, value, f"{place}.")
                continue
            old, value = (str(node.get("_target_", node)).rsplit(".", 1)[-1] for node in (old, value))
        yield f"{place} ({_short(old)}, now {_short(value)})"


def _command(config: Mapping[Any, Any]) -> str:
    return "search" if "strategy" in config else "train"


def _short(value: Any) -> str:
    text = str(value.get("_target_", value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."

"""Errors of a user's making, as one sentence; and nothing left behind by a command that was refused."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig

from lightning_nas.commands.ranks import lost_connection
from lightning_nas.commands.spelling import did_you_mean
from lightning_nas.errors import NasError
from lightning_nas.runs import RunFolder

CONFIGS = "lightning_nas.conf"

FULL_ERRORS = "HYDRA_FULL_ERROR"
"""Environment variable with which Hydra leaves errors alone."""

LONGEST_WORD = 300
"""Characters without a space, above which a value that a message repeats is cut."""


@contextmanager
def in_words(command: str) -> Iterator[None]:
    """Ends the process with one sentence where a user's settings or files are at fault; other errors stay as they are.

    Args:
        command: Whose config is composed.

    Raises:
        SystemExit: With the sentence.
    """
    before = os.environ.get(FULL_ERRORS)
    os.environ[FULL_ERRORS] = "1"
    try:
        yield
    except Exception as error:
        text = refusal(error, command)
        if text is None:
            raise
        raise SystemExit(f"error: {text}") from None
    finally:
        os.environ.pop(FULL_ERRORS, None)
        if before is not None:
            os.environ[FULL_ERRORS] = before


@contextmanager
def hydras_own_errors() -> Iterator[None]:
    """Within a job, and after it has failed, Hydra shows an error with the frames that are not its own."""
    before = os.environ.pop(FULL_ERRORS, None)
    yield
    if before is not None:
        os.environ[FULL_ERRORS] = before


def refusal(error: BaseException, command: str) -> str | None:
    """What to tell a user; None for an error that is not of a user's making, and for one of a user's own code."""
    text = _refusal(error, command)
    return None if text is None else re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:100]}...", text)


def _refusal(error: BaseException, command: str) -> str | None:
    if isinstance(error, MissingConfigException):
        return _missing(error)
    if _in_words(error):
        return str(error)
    if isinstance(error, InstantiationException):
        key = re.search(r"full_key: (\S+)", str(error))
        cause = error.__cause__
        if cause is None or not _in_words(cause):
            return None
        return f"{key.group(1)}: {cause}" if key else str(cause)
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} cannot be read as key=value: {str(error).splitlines()[0]}"
    if isinstance(error, ConfigCompositionException):
        return _composition(error, command)
    if isinstance(error, RuntimeError) and str(error).startswith("Error(s) in loading state_dict"):
        return f"a checkpoint holds the weights of another network: {' '.join(str(error).split())[:300]}"
    return lost_connection(error)


@contextmanager
def leaving_nothing(folder: Path, command: str) -> Iterator[None]:
    """A command that is refused leaves no run folder in which nothing lies but the record of the command.

    Args:
        folder: Of the run.
        command: Of which it is one.
    """
    try:
        yield
    except Exception as error:
        run = RunFolder(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if refusal(error, command) and all(file == run.lock or run.record in file.parents for file in files):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def without_hydra(error: Exception) -> Exception:
    """The exception of somebody's code where Hydra has put one of its own around it, which shows no traceback.

    Args:
        error: Whatever a command has raised.
    """
    cause = error.__cause__
    return cause if isinstance(error, InstantiationException) and isinstance(cause, Exception) else error


def _in_words(error: BaseException) -> bool:
    """Whether it says what is wrong: one of ours, or a folder that cannot be written."""
    return isinstance(error, NasError) or (isinstance(error, OSError) and error.errno in _OF_FOLDERS)


_OF_FOLDERS = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENOTDIR,
)


def _missing(error: MissingConfigException) -> str:
    """An option of a group that does not exist."""
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    options = sorted(error.options or ())
    if group.partition("/")[0] == "recipe" and error.missing_cfg_file:  # Hydra knows those of one folder
        group, _, name = error.missing_cfg_file.partition("/")
        options = options_of(group)
    if not options:
        return str(error).splitlines()[0]
    return f"{group}={name}: there is no such option; there are {', '.join(options)}{did_you_mean(name, options)}"


def options_of(group: str) -> list[str]:
    """The options of a group of the library's configs; those in folders of their own as ``folder/name``."""
    folder = Path(next(iter(import_module(CONFIGS).__path__)), group)
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


def _composition(error: HydraException, command: str) -> str:
    """An unknown key, or a value of the wrong type."""
    unknown = re.search(r"Could not override '([^']+)'", str(error))
    if unknown:
        key = unknown.group(1)
        keys = _keys(command)
        meant = ", which another option of its group has" if key in keys else did_you_mean(key, keys)
        return f"unknown key {key}{meant}; {command} --help lists all keys"
    override = re.search(r"Error merging override (.+)", str(error))
    cause = str(error.__cause__ or "").splitlines()
    if override and cause:
        key, _, value = override.group(1).partition("=")
        return f"{key} = {value!r}: {cause[0]}"
    return " ".join([*str(error).splitlines(), *cause[:1]])


def _keys(command: str) -> list[str]:
    """All keys of a command's config, and its groups."""
    GlobalHydra.instance().clear()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        config = compose(command, return_hydra_config=True)
    groups = [group for group in config.hydra.runtime.choices if not group.startswith("hydra")]
    return [*groups, *(key for key in _walk(config, "") if not key.startswith("hydra."))]


def _walk(node: Any, prefix: str) -> Iterator[str]:
    for key in node:
        name = f"{prefix}{key}"
        yield name
        below = None if not isinstance(node, DictConfig) else node._get_node(key)
        if isinstance(below, DictConfig) and not below._is_none() and not below._is_interpolation():
            yield from _walk(below, f"{name}.")

"""The config of a finished run as plain values, read without Hydra: it may come from a stranger."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from lightning_nas.errors import ConfigError
from lightning_nas.runs.contents import read_text, read_yaml
from lightning_nas.runs.trust import own_class

OTHER_KEY = re.compile(r"\$\{([\w.]+)\}")
DEEPEST = 8
"""How many keys may refer to each other in a row."""

OF_HYDRA = {"_target_", "_partial_", "_convert_", "_recursive_"}


def read_plain(path: Path) -> dict[str, Any]:
    """Reads a config; nothing in it is built.

    Raises:
        ConfigError: If it is none.
    """
    try:
        config = read_yaml(read_text(path, ConfigError))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: not a config of a run: {type(error).__name__}: {said}") from None
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise ConfigError(f"{path}: not a config of a run: expected keys and values")
    return config


def part(config: Mapping[str, Any], key: str, path: Path) -> Any:
    """A part of a config, in which keys that refer to others (``${seed}``) have their values.

    Args:
        config: The whole.
        key: Of the part.
        path: Of the file, for messages.

    Raises:
        ConfigError: If a key refers to something that is no other key of the file.
    """
    return _resolved(config.get(key), config, f"{path}: {key}", 0)


def _resolved(value: Any, config: Mapping[str, Any], place: str, depth: int) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(item, config, f"{place}.{name}", depth) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, config, f"{place}[{index}]", depth) for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    named = OTHER_KEY.fullmatch(value)
    found: Any = config
    for name in named[1].split(".") if named else [""]:
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None or depth == DEEPEST:
        raise ConfigError(f"{place} = {value!r}: not a config of a run: this refers to no value in the file")
    return _resolved(found, config, place, depth + 1)


def built(node: Any, key: str, allowed: Collection[str] = ()) -> Any:
    """What a part of a config describes: every ``_target_`` in it becomes an object, a ``_partial_`` one a function.

    Args:
        node: Plain values.
        key: Its place, for messages.
        allowed: Dotted names of classes outside this package that it may name.

    Raises:
        ConfigError: If it names a class of others, or cannot be built.
    """
    if isinstance(node, list):
        return [built(item, f"{key}[{index}]", allowed) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    arguments = {name: built(value, f"{key}.{name}", allowed) for name, value in node.items() if name not in OF_HYDRA}
    if "_target_" not in node:
        return arguments
    target = own_class(node["_target_"], f"{key}._target_", allowed)
    if node.get("_partial_"):
        return partial(target, **arguments)
    try:
        return target(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key} cannot be built: {type(error).__name__}: {error}") from error

"""Hydra composes a command's settings twice, first to see whether it is a sweep, and parses every file anew each time.

Both take a fifth of a small command. Commands in processes that are not forked from that of the tests, such as those of the
packaging test, do all of it.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.hydra import Hydra
from hydra.types import RunMode


def compose_once() -> None:
    """Whether it is a sweep is told by ``-m`` alone, as nothing sets ``hydra.mode``; files of packages are parsed once."""
    Hydra.get_mode = _mode  # type: ignore[method-assign]
    parse, parsed = ImportlibResourcesConfigSource._read_config, {}

    def read(source: ImportlibResourcesConfigSource, file: Any) -> Any:
        key = source.provider, source.path, str(file)
        if key not in parsed:
            parsed[key] = parse(source, file)
        return copy.deepcopy(parsed[key])

    ImportlibResourcesConfigSource._read_config = read  # type: ignore[method-assign]


def _mode(*_: object, **__: object) -> RunMode:
    return RunMode.MULTIRUN if {"-m", "--multirun"} & set(sys.argv) else RunMode.RUN

"""Hydra composes a command's settings twice, first to see whether it is a sweep, and parses every file anew each time.

Both take a fifth of a small command. Commands in processes that are not forked from that of the tests, such as those of the
packaging test, do all of it.
"""

from __future__ import annotations

import copy
from typing import Any

from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.hydra import Hydra


def compose_once() -> None:
    """The mode is that of the command line; files of packages are parsed once."""
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]  # what it finds where nothing sets hydra.mode
    parse, parsed = ImportlibResourcesConfigSource._read_config, {}

    def read(source: ImportlibResourcesConfigSource, file: Any) -> Any:
        key = source.provider, source.path, str(file)
        if key not in parsed:
            parsed[key] = parse(source, file)
        return copy.deepcopy(parsed[key])

    ImportlibResourcesConfigSource._read_config = read  # type: ignore[method-assign]

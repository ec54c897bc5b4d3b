"""What libraries do again and again is done once in the process of the tests and in those that are forked from it.

Hydra composes a command's settings twice, first to see whether it is a sweep, and parses every file anew each time: a fifth of
a small command. Every Trainer looks through all installed packages for callbacks of theirs: as long as three small batches.
Processes that start from nothing, such as those of the packaging test, do all of it.
"""

from __future__ import annotations

import copy
import functools
import sys
from typing import Any


def compose_once() -> None:
    """The mode is that of the command line; files of packages are parsed once."""
    from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
    from hydra._internal.hydra import Hydra

    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]  # what it finds where nothing sets hydra.mode
    parse, parsed = ImportlibResourcesConfigSource._read_config, {}

    def read(source: ImportlibResourcesConfigSource, file: Any) -> Any:
        key = source.provider, source.path, str(file)
        if key not in parsed:
            parsed[key] = parse(source, file)
        return copy.deepcopy(parsed[key])

    ImportlibResourcesConfigSource._read_config = read  # type: ignore[method-assign]


def look_for_packages_once() -> None:
    """None are installed while tests run."""
    names = [f"{family}.utilities.registry" for family in ("lightning_fabric", "lightning.fabric")]
    for registry in filter(None, map(sys.modules.get, names)):
        registry.entry_points = functools.cache(registry.entry_points)

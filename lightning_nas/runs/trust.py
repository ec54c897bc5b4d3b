"""Which classes a file of a stranger may name: none but those of this package, and those that a user allows."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

from lightning_nas.errors import ConfigError

PACKAGE = "lightning_nas"


def own_class(target: Any, key: str, allowed: Collection[str] = ()) -> Any:
    """The class that a file of a stranger names: one of this package, or one that the user has allowed.

    A path that leads through this package to something else, e.g. to a module that one of its files imports, is none of its
    classes. Nothing outside is imported to find that out.

    Args:
        target: What the file says.
        key: Its place there, for messages.
        allowed: Dotted names of others.

    Raises:
        ConfigError: If it is anything else.
    """
    if isinstance(target, str) and (target in allowed or target.startswith(f"{PACKAGE}.")):
        try:
            found = located(target)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"{key} = {target!r} cannot be imported: {error}") from None
        if target in allowed or (inspect.isclass(found) and found.__module__.partition(".")[0] == PACKAGE):
            return found
    raise ConfigError(
        f"{key} = {target!r}: a run folder may name classes of {PACKAGE} alone, so that no code of strangers is run; if you "
        f"trust it, add allow=[{target}]"
    )


def located(name: str) -> Any:
    """What a dotted name means: every part is an attribute of the part before it, or else a module in it.

    Raises:
        ImportError: If there is no such thing.

    Example:
        >>> located("lightning_nas.errors.NasError").__name__
        'NasError'
    """
    first, *rest = name.split(".")
    path, found = first, import_module(first)
    for part in rest:
        path = f"{path}.{part}"
        if not hasattr(found, part):
            try:
                import_module(path)
            except ModuleNotFoundError:
                raise ImportError(f"there is no {path}") from None
        found = getattr(found, part)
    return found


def require_own_classes(node: Any, key: str, allowed: Collection[str] = ()) -> None:
    """Looks at every ``_target_`` of a plain config, see :func:`own_class`.

    Raises:
        ConfigError: If one is neither of this package nor allowed.
    """
    if isinstance(node, Mapping):
        if "_target_" in node:
            own_class(node["_target_"], f"{key}._target_", allowed)
        for name, value in node.items():
            require_own_classes(value, f"{key}.{name}", allowed)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            require_own_classes(value, f"{key}[{index}]", allowed)

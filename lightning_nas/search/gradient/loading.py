"""The arguments of a search that is loaded from a checkpoint."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any


def own_arguments(cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a search is made with: what is given, and defaults.

    The checkpoint holds the hyperparameters of the wrapped module, some of which may have the same names.

    Args:
        cls: ``SearchModule``.
        given: Arguments by name.

    Raises:
        TypeError: If ``model`` or ``strategy`` is missing.
    """
    own = inspect.signature(cls).parameters.values()
    missing = [p.name for p in own if p.default is p.empty and p.name not in given]
    if missing:
        raise TypeError(
            f"load_from_checkpoint needs {' and '.join(missing)}, made as for the search: "
            "SearchModule.load_from_checkpoint(path, model=YourModule(...), strategy=...).model"
        )
    return {p.name: p.default for p in own if p.default is not p.empty} | dict(given)

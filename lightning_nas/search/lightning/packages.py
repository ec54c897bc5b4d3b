"""The packages by which Lightning is known: ``pytorch_lightning`` and ``lightning.pytorch``. Either may be missing."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytorch_lightning as pl
    import pytorch_lightning.overrides.distributed  # noqa: F401


def _installed() -> tuple[ModuleType, ...]:
    found = []
    for name in ("pytorch_lightning", "lightning.pytorch"):
        try:
            found.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                raise  # the package is there, and what it needs is not
    if not found:
        raise ModuleNotFoundError("lightning_nas.search needs pytorch_lightning or lightning, and neither is installed")
    return tuple(found)


FAMILIES = _installed()
"""The packages that are installed, ``pytorch_lightning`` first."""

if not TYPE_CHECKING:
    pl = FAMILIES[0]

"""Neural architecture search as a PyTorch Lightning plugin, for dense prediction."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_nas import cost, networks, search, spaces, strategies
    from lightning_nas.architecture import Architecture
    from lightning_nas.commands.from_python import auto, estimate
    from lightning_nas.models import load_model
    from lightning_nas.models.front import load_front
    from lightning_nas.networks import load_backbone
    from lightning_nas.search import BilevelDataModule, SearchModule
    from lightning_nas.spaces.own_network.make import elastic

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "BilevelDataModule",
    "SearchModule",
    "__version__",
    "auto",
    "cost",
    "elastic",
    "estimate",
    "load_backbone",
    "load_front",
    "load_model",
    "networks",
    "search",
    "spaces",
    "strategies",
]

# Imported when they are first asked for: a project that only loads a backbone loads no search code.
_HOMES = {
    "Architecture": "lightning_nas.architecture",
    "BilevelDataModule": "lightning_nas.search",
    "SearchModule": "lightning_nas.search",
    "auto": "lightning_nas.commands.from_python",
    "elastic": "lightning_nas.spaces.own_network.make",
    "estimate": "lightning_nas.commands.from_python",
    "load_backbone": "lightning_nas.networks",
    "load_front": "lightning_nas.models.front",
    "load_model": "lightning_nas.models",
}
_FOLDERS = {"cost", "networks", "search", "spaces", "strategies"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _FOLDERS:
        return import_module(f"lightning_nas.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))

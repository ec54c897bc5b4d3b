"""The packages by which Lightning is known, and base classes that the Trainers of both accept.

PyTorch Lightning is published twice, as ``pytorch_lightning`` and as ``lightning.pytorch``, and a Trainer of one refuses
modules of the other. Either package may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from lightning_nas.search.lightning.packages import FAMILIES
from lightning_nas.search.lightning.packages import pl as pl
from lightning_nas.search.lightning.privates import given_datamodules, trainer_of

if TYPE_CHECKING:
    from pytorch_lightning import Callback, LightningDataModule, LightningModule


def family_of(trainer: Any) -> Any:
    """The package that a Trainer is of; the first one that is installed if there is no Trainer."""
    return next((family for family in FAMILIES if isinstance(trainer, family.Trainer)), FAMILIES[0])


def is_ddp(strategy: Any) -> bool:
    """Whether a Trainer's strategy is DDP, of either package."""
    return isinstance(strategy, tuple(family.strategies.DDPStrategy for family in FAMILIES))


def lightning_classes(kind: str) -> tuple[Any, ...]:
    """The class of that name of every package, for ``isinstance``."""
    return tuple(getattr(family, kind) for family in FAMILIES)


def foreign_datamodule(trainer: Any) -> Any:
    """A data module of the other package, which was given to a Trainer and is no data module to it; None if there is none."""
    own = family_of(trainer).LightningDataModule
    others = (data for data in given_datamodules(trainer) if isinstance(data, lightning_classes("LightningDataModule")))
    return next((data for data in others if not isinstance(data, own)), None)


def overridden(instance: Any) -> set[str]:
    """Names that the user's classes, or the instance itself, define beyond what Lightning's own classes do."""
    lightnings = {cls for kind in ("LightningModule", "LightningDataModule") for cls in _bases(kind)}
    known: dict[str, Any] = {}
    for cls in reversed(type(instance).__mro__):
        known.update(vars(cls))
    known.update(vars(instance))
    names = set(vars(instance)).union(*(vars(cls) for cls in type(instance).__mro__ if cls not in lightnings))
    return {name for name in names if known[name] is not None}


def _bases(kind: str) -> set[type]:
    return {globals()[kind], *(cls for family in FAMILIES for cls in getattr(family, kind).__mro__)}


class _OfTheTrainersFamily:
    """A method as the package of the Trainer in use writes it.

    Trainers ask whether a method is overridden by comparing its code with that of their own package, and the packages
    need not be of one version.
    """

    def __init__(self, name: str, kinds: tuple[type, ...]) -> None:
        self.name, self.kinds = name, kinds

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        kind = self.kinds[0]
        if instance is not None:
            kind = self.kinds[FAMILIES.index(family_of(trainer_of(instance)))]
        method = getattr(kind, self.name)
        return method if instance is None else method.__get__(instance, owner)


def _methods(kind: type) -> Iterator[str]:
    for cls in kind.__mro__:
        if cls.__module__.startswith(("pytorch_lightning.", "lightning_fabric.", "lightning.")):
            yield from (n for n, v in vars(cls).items() if isinstance(v, FunctionType) and not n.startswith("__"))


def _of_every_family(name: str) -> type:
    kinds = lightning_classes(name)
    if len(kinds) == 1:
        return kinds[0]
    shared = set.intersection(*(set(_methods(kind)) for kind in kinds))
    return type(name, kinds, {"__module__": __name__} | {n: _OfTheTrainersFamily(n, kinds) for n in shared})


if not TYPE_CHECKING:
    Callback = _of_every_family("Callback")
    LightningDataModule = _of_every_family("LightningDataModule")
    LightningModule = _of_every_family("LightningModule")

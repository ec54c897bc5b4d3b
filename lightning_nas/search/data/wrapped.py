"""A data module in front of the user's own one."""

from __future__ import annotations

import functools
from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from lightning_nas.search.data.halves import half_by_half, has_halves
from lightning_nas.search.lightning.families import LightningDataModule, lightning_classes, overridden
from lightning_nas.search.lightning.privates import hold, trainer_of
from lightning_nas.search.lightning.transparent import Transparent

_BATCH_HOOKS = frozenset({"on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"})
_LOADERS = frozenset({"train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"})


class WrappedData(Transparent, LightningDataModule):
    """Hosts a data module of ``pytorch_lightning`` or ``lightning.pytorch`` and forwards the Trainer's calls to it.

    Trainers of both packages take it. The hosted data module sees the Trainer as its own, before its ``setup`` is called.
    Loaders and batch hooks that it overrides are those of the outer one, and those that it does not are not overridden there.
    Batches with two halves go through its batch hooks half by half.

    Args:
        data: A data module; a LightningModule that brings its own loaders; a ``DataLoader`` of training batches; or two
            loaders, ``{"weights": ..., "architecture": ...}``.
        val_dataloaders: Beside loaders of training batches.

    Attributes:
        datamodule: The hosted data module.

    Raises:
        TypeError: If it is none of these.
    """

    def __init__(self, data: Any, val_dataloaders: Any = None) -> None:
        super().__init__()
        self.datamodule = as_datamodule(data, val_dataloaders)
        own = {name for cls in type(self).__mro__ if issubclass(cls, WrappedData) for name in vars(cls)}
        for name in ((_LOADERS | _BATCH_HOOKS) & overridden(self.datamodule)) - own:
            hook = getattr(self.datamodule, name)
            setattr(self, name, functools.partial(half_by_half, hook) if name in _BATCH_HOOKS else hook)
        for name in ("prepare_data_per_node", "allow_zero_length_dataloader_with_multiple_devices"):
            setattr(self, name, getattr(self.datamodule, name, getattr(self, name)))
        self._take_hyperparameters()

    def _inner(self) -> Any:
        return vars(self).get("datamodule")

    @property
    def trainer(self) -> Any:
        """The Trainer, which is that of the hosted data module as well."""
        return trainer_of(self)

    @trainer.setter
    def trainer(self, trainer: Any) -> None:
        hold(self, trainer)
        if self._inner() is not None:
            self.datamodule.trainer = trainer

    def prepare_data(self) -> None:
        """Lets the hosted data module do it."""
        self.datamodule.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Lets the hosted data module do it."""
        self.datamodule.setup(stage)

    def teardown(self, stage: str | None = None) -> None:
        """Lets the hosted data module do it."""
        self.datamodule.teardown(stage)

    def state_dict(self) -> dict[str, Any]:
        """The state of the hosted data module."""
        state: dict[str, Any] = self.datamodule.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Gives it back."""
        self.datamodule.load_state_dict(state_dict)

    def on_exception(self, exception: BaseException) -> None:
        """Tells the hosted data module."""
        self.datamodule.on_exception(exception)


def as_datamodule(data: Any, val_dataloaders: Any = None) -> Any:
    """A data module, made around what is none.

    Args:
        data: See :class:`WrappedData`.
        val_dataloaders: Loaders of validation batches, which go with a loader of training batches.

    Raises:
        TypeError: If it brings no training batches, or its own validation loaders.
    """
    if isinstance(data, DataLoader) or has_halves(data):
        return _LoaderData(data, val_dataloaders)
    if val_dataloaders is not None:
        raise TypeError(f"val_dataloaders goes with a loader of training batches; {type(data).__name__} brings its own")
    if isinstance(data, nn.Module):
        if isinstance(data, lightning_classes("LightningModule")) and "train_dataloader" in overridden(data):
            return _ModuleData(data)
    elif not isinstance(data, type) and (hasattr(data, "train_dataloader") or hasattr(data, "val_dataloader")):
        return data
    kind = data.__name__ if isinstance(data, type) else type(data).__name__
    raise TypeError(
        "the data must be a LightningDataModule, a LightningModule with train_dataloader, a DataLoader, or the loaders of both "
        f"halves as {{'weights': ..., 'architecture': ...}}, got {'the class ' if isinstance(data, type) else ''}{kind}"
    )


class _LoaderData(LightningDataModule):
    """Loaders that somebody has made."""

    def __init__(self, loader: Any, val_dataloaders: Any) -> None:
        super().__init__()
        self.loader = loader
        if val_dataloaders is not None:
            vars(self)["val_dataloader"] = functools.partial(_given, val_dataloaders)

    def train_dataloader(self) -> Any:
        return self.loader


def _given(loaders: Any) -> Any:
    return loaders


class _ModuleData(LightningDataModule):
    """The loaders of a LightningModule. If that is the one that is searched, its hooks are called without this."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module: Any = module
        for name in _LOADERS & overridden(module):
            setattr(self, name, getattr(module, name))

    def _is_searched(self) -> bool:
        return self.trainer is not None and getattr(self.trainer.lightning_module, "model", None) is self.module

    def _call(self, hook: str, *args: Any) -> None:
        if not self._is_searched():
            self.module.trainer = self.trainer
            getattr(self.module, hook)(*args)

    def prepare_data(self) -> None:
        self._call("prepare_data")

    def setup(self, stage: str) -> None:
        self._call("setup", stage)

    def teardown(self, stage: str) -> None:
        self._call("teardown", stage)

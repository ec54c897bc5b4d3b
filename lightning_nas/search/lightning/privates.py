"""All that the library uses of what Lightning keeps private: an upgrade of Lightning has to be looked at here, and only here.

Every name has a test that says with which version it was checked, in ``tests/search/test_privates.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lightning_nas.search.lightning.packages import pl

CURRENT_HOOK = "_current_fx_name"
"""Attribute of a module: the hook that runs now, by which ``log`` decides what to do."""


def trainer_of(instance: Any) -> Any:
    """The Trainer that holds a module, a data module or a callback; None if none does.

    ``LightningModule.trainer`` raises where there is none, and is asked for here by attributes of its own class.

    Args:
        instance: What is held.
    """
    attributes = vars(instance)
    return attributes.get("_trainer") or attributes.get("trainer")


def hold(instance: Any, trainer: Any) -> None:
    """Sets what :func:`trainer_of` gives, past any property called ``trainer``."""
    vars(instance)["_trainer"] = trainer


def is_idle(trainer: Any) -> bool:
    """Whether a Trainer passes through the training data without a step.

    ``StochasticWeightAveraging`` does so in the end, to estimate the statistics of BatchNorm anew.
    """
    return bool(getattr(trainer.fit_loop, "_skip_backward", False))


def finds_unused_parameters(strategy: Any) -> bool:
    """Whether a DDP strategy was told that a forward pass leaves parameters unused."""
    return bool(strategy._ddp_kwargs.get("find_unused_parameters"))


def given_datamodules(trainer: Any) -> list[Any]:
    """What a Trainer was given as data, whether it has recognised it as a data module or not."""
    loops = (getattr(trainer, f"{name}_loop", None) for name in ("fit", "validate", "test", "predict"))
    return [trainer.datamodule, *(getattr(getattr(loop, "_data_source", None), "instance", None) for loop in loops)]


def attach_datamodule(trainer: Any, module: Any, datamodule: Any) -> None:
    """Puts a data module in the place of the one that a Trainer was given."""
    trainer._data_connector.attach_datamodule(module, datamodule=datamodule)


def tell_place(module: Any, device: torch.device, dtype: torch.dtype | str) -> None:
    """Lets a module know its device and type: Lightning tells only modules of its own package."""
    module._device, module._dtype = device, dtype


def before_transfer(module: Any, batch: Any) -> Any:
    """A batch after the hook of a module that comes before the transfer to the device."""
    return module._on_before_batch_transfer(batch)


class TakesBatches:
    """A module that sees every batch before any of its hooks does. It stands before a LightningModule in the bases."""

    def take_batch(self, batch: Any) -> Any:
        """Called with every batch; what is returned goes on to the hooks and the device."""
        return batch

    def hooked(self, batch: Any) -> Any:
        """A batch after the hook before the transfer, without :meth:`take_batch`."""
        return super()._on_before_batch_transfer(batch, 0)  # type: ignore[misc]

    def _on_before_batch_transfer(self, batch: Any, dataloader_idx: int = 0) -> Any:
        return super()._on_before_batch_transfer(self.take_batch(batch), dataloader_idx)  # type: ignore[misc]


def has_hyperparameters(instance: Any) -> bool:
    """Whether a module or data module has saved hyperparameters itself."""
    return "_hparams" in vars(instance)


def copy_hyperparameter_names(source: Any, target: Any) -> None:
    """Tells Lightning whether, and by which name, another object has saved hyperparameters."""
    for name in ("_log_hyperparams", "_hparams_name"):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


class WriterInPlace(pl.loggers.csv_logs.ExperimentWriter):
    """A writer of ``metrics.csv`` that leaves to a subclass what becomes of lines that are there already."""

    def rewrite(self, fieldnames: Sequence[str]) -> None:
        """Writes the file anew, with more columns than before."""
        raise NotImplementedError

    def _check_log_dir_exists(self) -> None:
        """Lightning's deletes the file here."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        self.rewrite(fieldnames)


class LoggerWithWriter(pl.loggers.CSVLogger):
    """A logger whose writer is made by :meth:`writer`."""

    def writer(self) -> Any:
        """What writes the file."""
        raise NotImplementedError

    @property
    @pl.loggers.logger.rank_zero_experiment
    def experiment(self) -> Any:
        """What writes the file; made when it is first asked for."""
        if self._experiment is None:
            self._experiment = self.writer()
        return self._experiment

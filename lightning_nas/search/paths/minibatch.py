"""What a task logs when it validates one minibatch, within a training and without a Trainer's loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torchmetrics import Metric

from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.privates import before_transfer
from lightning_nas.search.paths.recalibration import batch_statistics


@contextlib.contextmanager
def judging(
    trainer: pl.Trainer, task: pl.LightningModule, *, own_statistics: bool
) -> Iterator[Callable[[Any], dict[str, float]]]:
    """Gives a function: a batch, as the loader yields it -> everything that the task logs for it, by name.

    The task's own hooks of a validation are called as a Trainer would call them, in evaluation mode, without gradients, with
    the Trainer's precision; what the task logs comes to the caller only, and loggers are out of sight. Nothing is trained.
    Afterwards everything is as it was: modes, statistics of BatchNorm, the stage of the Trainer. Callbacks hear nothing.

    Args:
        trainer: That trains the task or did so last.
        task: On the device of the Trainer.
        own_statistics: Whether BatchNorms normalise with the statistics of the batch instead of their running ones.
    """
    modes = {part: part.training for part in task.modules()}
    loggers, stage = trainer.loggers, trainer.state.stage
    log_of_instance = task.__dict__.get("log")
    try:
        trainer.loggers, trainer.state.stage = [], pl.trainer.states.RunningStage.VALIDATING
        task.eval()
        with batch_statistics(task) if own_statistics else contextlib.nullcontext():
            yield lambda batch: _validate(trainer, task, batch)
    finally:
        trainer.loggers, trainer.state.stage = loggers, stage
        task.__dict__.pop("log", None)
        if log_of_instance is not None:
            task.__dict__["log"] = log_of_instance
        for part, training in modes.items():
            part.training = training


@torch.no_grad()
def _validate(trainer: pl.Trainer, task: pl.LightningModule, batch: Any) -> dict[str, float]:
    logged: dict[str, list[Any]] = {}
    task.__dict__["log"] = lambda name, value, *args, **kwargs: logged.setdefault(name, []).append(value)
    precision = trainer.precision_plugin
    batch = before_transfer(task, precision.convert_input(batch))
    batch = trainer.strategy.batch_to_device(batch)
    task.on_validation_start()
    task.on_validation_epoch_start()
    task.on_validation_batch_start(batch, 0)
    with precision.val_step_context():
        outputs = task.validation_step(batch, 0)
    task.on_validation_batch_end(outputs, batch, 0)
    task.on_validation_epoch_end()
    task.on_validation_end()
    values = {name: [_number(value) for value in given] for name, given in logged.items()}
    for value in (value for given in logged.values() for value in given if isinstance(value, Metric)):
        value.reset()
    return {name: sum(given) / len(given) for name, given in values.items()}


def _number(value: Any) -> float:
    return float(value.compute() if isinstance(value, Metric) else value)

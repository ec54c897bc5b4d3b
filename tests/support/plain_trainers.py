"""Trainers of a job without a progress bar and without TensorBoard, which cost more than the training of a toy does."""

import pytorch_lightning as pl

from lightning_nas.search import Trainers


def plain_trainers(arguments, **more):
    """As a job makes them, with nothing to look at."""
    return Trainers(arguments, **{"make": without_bar, "loggers": lambda folder: [], **more})


def without_bar(callbacks=(), **arguments):
    """A Trainer as it was asked for, but for the bar."""
    rest = [callback for callback in callbacks if not isinstance(callback, pl.callbacks.ProgressBar)]
    return pl.Trainer(**{**arguments, "callbacks": rest, "enable_progress_bar": False})

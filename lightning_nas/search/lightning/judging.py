"""Callbacks that judge a network by its task's headline in validation: keep the best epoch, stop where nothing rises."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from lightning_nas.errors import ArgumentError, CheckpointError, JobError
from lightning_nas.runs import RunFolder
from lightning_nas.search.headline import validation_score
from lightning_nas.search.lightning.families import Callback, pl
from lightning_nas.search.lightning.persistence import read_checkpoint


class JudgedByHeadline(Callback):
    """Looks at the score of every validation of a training, see :func:`~lightning_nas.search.headline.validation_score`.

    That of the first rank counts, on all of them. Trainings whose network is not kept, of a supernet or of a trial, are not
    judged, see :meth:`~lightning_nas.search.Trainers.training`.
    """

    key = "callbacks"
    """What the callback is called in messages."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Refuses a training without validation images.

        Raises:
            JobError: If there are none.
        """
        if not sum(trainer.num_val_batches):
            raise JobError(f"{self.key} judges a network on validation images, and there are none")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Takes the score; the check before a training is none."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or _is_trial(trainer):
            return
        name, score = validation_score(trainer.callback_metrics, None, pl_module)
        self.judge(trainer, name, float(trainer.strategy.broadcast(score)))

    def judge(self, trainer: pl.Trainer, metric: str, score: float) -> None:
        """Called with every score.

        Args:
            trainer: Of the training.
            metric: What the score is, a logged name, with a minus in front where it is the negative.
            score: The larger the better; NaN if the metric or a loss was none.
        """
        raise NotImplementedError


class BestCheckpoint(JudgedByHeadline):
    """Keeps the checkpoint of the best validation beside the last one, and ends a training with its weights.

    What follows the training, a test for one, sees the network of the best epoch. Of equal ones the first counts. The
    checkpoint says itself how good it is, so that an interrupted training goes on with what lies in its folder.

    Args:
        folder: Of the training; the Trainer's ``default_root_dir`` if None.

    Example:
        >>> callbacks = [BestCheckpoint("runs/mine")]
        >>> trainer = pl.Trainer(callbacks=callbacks, accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    key = "callbacks.best"

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = folder
        self.metric: str | None = None
        self.score = -math.inf
        self.epoch: int | None = None

    def run(self, trainer: pl.Trainer) -> RunFolder:
        """The folder in which it is kept."""
        return RunFolder(trainer.default_root_dir if self.folder is None else self.folder)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A training that starts anew knows nothing of an earlier one."""
        if trainer.ckpt_path is None:
            self.metric, self.score, self.epoch = None, -math.inf, None
            if trainer.is_global_zero:
                self.run(trainer).best_checkpoint.unlink(missing_ok=True)
            trainer.strategy.barrier("BestCheckpoint.on_fit_start")

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A resumed training goes on from the best checkpoint that is there: a kill may have come after it was written.

        Raises:
            CheckpointError: If it is gone or damaged.
        """
        super().on_train_start(trainer, pl_module)
        best = self.run(trainer).best_checkpoint
        if trainer.ckpt_path is not None and (best.is_file() or self.epoch is not None):
            self.load_state_dict(self._read(trainer)["callbacks"][self.state_key])

    def judge(self, trainer: pl.Trainer, metric: str, score: float) -> None:
        """Writes the checkpoint of a better one than all before."""
        if score > self.score:
            self.metric, self.score, self.epoch = metric, score, trainer.current_epoch
            trainer.save_checkpoint(self.run(trainer).best_checkpoint, weights_only=False)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Puts the weights of the best epoch in the place of the last one's."""
        if _is_trial(trainer):
            return
        if self.epoch is None:
            pl.utilities.rank_zero_warn(
                f"{self.key}: no validation has given a number to judge by; the weights of the last epoch stay"
            )
            return
        checkpoint = self._read(trainer)
        pl_module.on_load_checkpoint(checkpoint)
        trainer.strategy.load_model_state_dict(checkpoint, strict=pl_module.strict_loading)
        pl.utilities.rank_zero_info(f"kept: the weights of epoch {self.epoch}, {self.metric} = {self.score:.4g}")

    def _read(self, trainer: pl.Trainer) -> dict[str, Any]:
        best = self.run(trainer).best_checkpoint
        if not best.is_file():
            raise CheckpointError(
                f"{best} is gone, the best of a training that is to go on: delete {best.parent} to start anew"
            )
        checkpoint = read_checkpoint(best)
        if self.state_key not in checkpoint.get("callbacks", {}):
            raise CheckpointError(f"{best} does not say how good it is: delete {best.parent} to start anew")
        return checkpoint

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint says of the best one."""
        return {"metric": self.metric, "score": self.score, "epoch": self.epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what a checkpoint says."""
        self.metric, self.score, self.epoch = (state_dict[name] for name in ("metric", "score", "epoch"))


def _is_trial(trainer: Any) -> bool:
    """Whether a training is one of Lightning's ``fast_dev_run``, which leave nothing behind."""
    return bool(trainer.fast_dev_run)


class StopWithoutRise(JudgedByHeadline):
    """Ends a training when the score has not risen for some validations, of which an epoch has one by default.

    Args:
        patience: So many in a row without a rise end it.
        min_delta: By how much the score must be above the best one to count as risen, in its own units.

    Raises:
        ArgumentError: If ``patience`` is below 1 or ``min_delta`` below 0.

    Example:
        >>> callbacks = [StopWithoutRise(patience=3)]
        >>> trainer = pl.Trainer(callbacks=callbacks, accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    key = "callbacks.early_stopping"

    def __init__(self, patience: int = 10, min_delta: float = 0.0) -> None:
        if patience < 1:
            raise ArgumentError(f"patience must be at least 1, got {patience}")
        if not (min_delta >= 0 and math.isfinite(min_delta)):
            raise ArgumentError(f"min_delta must be at least 0, got {min_delta}")
        self.patience, self.min_delta = patience, min_delta
        self.score, self.waited = -math.inf, 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A training that starts anew knows nothing of an earlier one."""
        if trainer.ckpt_path is None:
            self.score, self.waited = -math.inf, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A training that had been ended does not go on when it is resumed."""
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self.waited >= self.patience

    def judge(self, trainer: pl.Trainer, metric: str, score: float) -> None:
        """Counts the validations without a rise."""
        if score > self.score + self.min_delta:
            self.score, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            trainer.should_stop = True
            pl.utilities.rank_zero_info(f"{metric} has not risen above {self.score:.4g} for {self.waited} validations")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"score": self.score, "waited": self.waited}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what a checkpoint says."""
        self.score, self.waited = state_dict["score"], state_dict["waited"]

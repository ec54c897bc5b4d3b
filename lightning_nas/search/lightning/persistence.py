"""What a run leaves on disk, so that the same command goes on after a kill."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import CheckpointError, RunFolderError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import read_text
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.privates import LoggerWithWriter, WriterInPlace


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of a training, without running anything in it.

    Raises:
        CheckpointError: If it is damaged, or none.
    """
    checkpoint = _read(path)
    if isinstance(checkpoint, str):
        raise CheckpointError(f"{path} is damaged: {checkpoint}")
    return checkpoint


def last_checkpoint(folder: Path) -> str | None:
    """The checkpoint from which a training goes on, if an interrupted one has left any.

    Args:
        folder: Of the training.

    Returns:
        The last one; the one before, with a warning, if the last one is damaged or a kill came between both.

    Raises:
        CheckpointError: If it is damaged and there is none before.
    """
    run = RunFolder(folder)
    last, before = run.last_checkpoint, run.checkpoint_before
    damage = _damage(last) if last.is_file() else None
    if last.is_file() and damage is None:
        return str(last)
    whole_before = before.is_file() and _damage(before) is None
    if damage is None:
        return str(before) if whole_before else None
    if not whole_before:
        raise CheckpointError(
            f"{last} is damaged ({damage}), and no whole checkpoint lies beside it: delete it to train from the start"
        )
    pl.utilities.rank_zero_warn(f"{last} is damaged ({damage}): the training goes on from the one before, {before}")
    return str(before)


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint."""
    checkpoint = _read(path)
    return checkpoint if isinstance(checkpoint, str) else None


def _read(path: Path) -> dict[str, Any] | str:
    """A checkpoint, or what is wrong with it: all is read and compared with its checksums, and nothing in it is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # what a damaged archive raises is not limited to some classes
        return str(error)
    if broken is not None:
        return f"{broken} does not match its checksum"
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the same holds for what is in it
        return f"it holds something else than tensors and plain values: {' '.join(str(error).split())[:200]}"
    if not isinstance(checkpoint, dict) or not {"state_dict", "loops", "epoch"} <= set(checkpoint):
        return "it is not of a training"
    return checkpoint


class AtomicCheckpointIO(pl.plugins.TorchCheckpointIO):
    """Writes a checkpoint into a file beside its place and renames it when it is whole; keeps the one before.

    Lightning writes it in the folder of temporary files and moves it. From another file system that is a copy over the old
    checkpoint: a kill or a full disk in that moment destroys both.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: If it cannot be written, e.g. on a full disk; the old one is still there.
        """
        target = Path(path)
        for left_by_a_kill in target.parent.glob(f".{target.name}.*"):
            left_by_a_kill.unlink(missing_ok=True)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        run = RunFolder(target.parent.parent)
        write_atomic(
            target, buffer.getbuffer(), before=run.checkpoint_before if target == run.last_checkpoint else None
        )


class LastCheckpoint(pl.callbacks.ModelCheckpoint):
    """Writes ``last.ckpt`` after every epoch, atomically, and keeps the one before until the training has ended.

    It is also written after validations within an epoch. ``ModelCheckpoint(save_last=True, save_top_k=0)`` writes it at the end
    of the training only, and by default one waits for a validation: where these are rare, the last weights would be lost.

    Args:
        folder: Of the training.
    """

    def __init__(self, folder: Path) -> None:
        self.run = RunFolder(folder)
        super().__init__(
            self.run.checkpoints, filename=self.run.last_checkpoint.stem, save_top_k=1, every_n_epochs=1,
            enable_version_counter=False, save_on_train_epoch_end=True,
        )  # fmt: skip

    def setup(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        """Tells the Trainer how checkpoints are written, unless it was told already."""
        super().setup(trainer, pl_module, stage)
        if type(trainer.strategy.checkpoint_io) is pl.plugins.TorchCheckpointIO:
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Writes it after a validation within an epoch."""
        super().on_validation_end(trainer, pl_module)
        within = trainer.check_val_every_n_epoch is None or trainer.val_check_interval != 1.0
        if within and trainer.state.fn == "fit" and not trainer.sanity_checking and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.run.last_checkpoint)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Deletes the one before."""
        super().on_train_end(trainer, pl_module)
        if trainer.is_global_zero and self.run.last_checkpoint.is_file():
            self.run.checkpoint_before.unlink(missing_ok=True)


class ContinuedCSVLogger(LoggerWithWriter):
    """``metrics.csv`` of a folder; a resumed run keeps the lines that come before its first new one.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="")

    def writer(self) -> Any:
        """What writes the file."""
        return _ContinuedWriter(self.log_dir)


class _ContinuedWriter(WriterInPlace):
    """The file is never gone: until there is a new line it stays as it was, then one with that line takes its place."""

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self._begun = False

    def log_metrics(self, metrics_dict: dict[str, Any], step: int | None = None) -> None:
        """Adds a line; before the first one, drops those of an earlier attempt that it repeats."""
        super().log_metrics(metrics_dict, step)
        if not self._begun:
            first = int(self.metrics[-1]["step"])
            self._write([row for row in _rows(Path(self.metrics_file_path)) if int(row["step"]) < first])
            self._begun = True

    def rewrite(self, fieldnames: Sequence[str]) -> None:
        """Writes the file anew, with more columns than before."""
        self._write(_rows(Path(self.metrics_file_path)), fieldnames)

    def _write(self, rows: Sequence[Mapping[str, Any]], fieldnames: Sequence[str] = ()) -> None:
        """Rows of earlier attempts, with the columns that new ones have as well."""
        names = sorted({*fieldnames, *(name for row in (*rows, *self.metrics) for name in row)})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        write_atomic(self.metrics_file_path, text.getvalue())
        self.metrics_keys = names


def _rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file: a kill may have cut the last one."""
    if not path.is_file():
        return []
    lines = [line for line in read_text(path).splitlines(keepends=True) if line.endswith("\n")]
    try:
        rows = [{key: value for key, value in row.items() if key and value} for row in csv.DictReader(lines)]
    except csv.Error as error:
        raise RunFolderError(f"{path}: not a log of a training: {error}") from None
    return [row for row in rows if str(row.get("step", "")).isdecimal()]

"""What the tasks on images share: loss watch, checks of normalisation, optimizer, and where a test writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pytorch_lightning as pl
import torch
from rich.progress import track

from lightning_nas.architecture import Architecture
from lightning_nas.errors import CheckpointError
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.normalization import Normalization
from lightning_nas.ops.layers.pointwise import bears_channels_last
from lightning_nas.search.lightning.persistence import read_checkpoint
from lightning_nas.tasks.images.loss_watch import LossWatch
from lightning_nas.tasks.images.norm_checks import (
    explaining_single_values,
    refuse_sync_without_gpu,
    warn_of_small_batches,
)
from lightning_nas.tasks.images.sources import as_pixels, listed


@dataclass(frozen=True)
class FolderOfImages:
    """Images to predict, and what the run of the network says of its data.

    Args:
        images: Folder, with its sub-folders.
        out: Folder to write, made if need be.
        classes: ``id``, ``name`` and perhaps ``color`` of each.
        batch_size: Images at a time.
        preparation: The data module's.
        skip_invalid: Leave out images that cannot be read, with a warning that counts them.
    """

    images: Path
    out: Path
    classes: Sequence[Mapping[str, Any]]
    batch_size: int
    preparation: Mapping[str, Any]
    skip_invalid: bool


class ImageTask(pl.LightningModule):
    """An ordinary LightningModule; what a subclass has to say is its loss, its metrics and its predictions.

    Attributes:
        headline: The metric that decides between networks; see :mod:`lightning_nas.search.presentation`.
        headline_interval: 95 % interval of the headline on the test images, after a test; None where it is not known.
        norm: Which normalisation the network has; a task that offers no choice has ``"batch"``.
    """

    headline: str
    headline_interval: tuple[float, float] | None = None
    norm: Normalization = "batch"

    def __init__(self) -> None:
        super().__init__()
        self.loss_watch = LossWatch()

    def save_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Keeps in checkpoints what the task is built with, so that ``load_from_checkpoint`` builds it again.

        The backbone is kept as its record, where it has one: one of :func:`lightning_nas.networks.build_network` has.

        Args:
            arguments: The ``locals()`` at the beginning of ``__init__``.
        """
        own = {name: plain(value) for name, value in arguments.items() if name not in ("self", "__class__", "backbone")}
        record = getattr(arguments["backbone"], "built_from", None)
        kept = own if record is None else {**own, "architecture": record.to_dict()}
        self.save_hyperparameters(kept, logger=False)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **named: Any) -> Self:
        """Lightning's own; the backbone is built from the record in the checkpoint, unless one is given.

        Args:
            checkpoint_path: The file; nothing in it is run.
            arguments: Lightning's.
            named: Lightning's, and arguments of the task that win over those of the checkpoint.

        Raises:
            CheckpointError: If it is damaged, or holds no record and no ``backbone`` is given.
        """
        if "backbone" not in named:
            saved = read_checkpoint(Path(checkpoint_path)).get(cls.CHECKPOINT_HYPER_PARAMS_KEY) or {}
            if "architecture" not in saved:
                raise CheckpointError(
                    f"{checkpoint_path}: there is no record of the network's architecture: pass backbone=<network>"
                )
            named["backbone"] = build_network(Architecture.from_dict(saved["architecture"]))
        task: Self = super().load_from_checkpoint(checkpoint_path, *arguments, **named)
        return task

    def setup(self, stage: str) -> None:
        """Checks what depends on the machine; on a CPU, weights and maps lie channel by channel within a pixel.

        Depthwise convolutions are several times as fast there in that order, and no other layer of the tasks is slower.

        Raises:
            NasError: If statistics are to be shared over ranks on a machine where PyTorch cannot.
        """
        device = self.trainer.strategy.root_device
        refuse_sync_without_gpu(self.norm, device)
        if device.type == "cpu" and bears_channels_last(self):
            self.to(memory_format=torch.channels_last)

    def on_train_epoch_end(self) -> None:
        """Says which term of the loss does not fall."""
        self.loss_watch.epoch_of(self)

    @contextlib.contextmanager
    def training_on(self, images: int, batch_idx: int) -> Iterator[None]:
        """Around the forward pass of a training batch: says where it is too small for the normalisation.

        Args:
            images: How many there are.
            batch_idx: Number of the batch in its epoch.

        Raises:
            NasError: Instead of PyTorch's error, which names no setting.
        """
        if batch_idx == 0:
            warn_of_small_batches(self.norm, images)
        with explaining_single_values("task.norm=group"):
            yield

    @property
    def datamodule(self) -> Any:
        """The data that the Trainer was given; None if they are loaders."""
        return getattr(self.trainer, "datamodule", None)

    def output_folder(self) -> Path:
        """Where a test writes its files. It asks the other ranks: not for rank 0 alone."""
        return Path(self.trainer.log_dir or self.trainer.default_root_dir)

    def predict_folder(
        self,
        images: Path,
        out: Path,
        classes: Sequence[Mapping[str, Any]],
        *,
        batch_size: int,
        preparation: Mapping[str, Any] = MappingProxyType({}),
        skip_invalid: bool = False,
    ) -> None:
        """Writes what the network makes of a folder of images; the command ``predict`` calls it.

        Args:
            images: See :class:`FolderOfImages`, also for all that follow.
            out: Folder to write.
            classes: Of the run.
            batch_size: Images at a time.
            preparation: Of the run.
            skip_invalid: Whether unreadable images are left out.
        """
        self.predict_images(FolderOfImages(images, out, classes, batch_size, preparation, skip_invalid))

    def predict_images(self, folder: FolderOfImages) -> None:
        """Writes what the network makes of a folder of images."""
        raise NotImplementedError

    def predict_any(
        self, images: Any, classes: Sequence[Mapping[str, Any]], *, preparation: Mapping[str, Any], batch_size: int = 4
    ) -> Any:
        """What the network makes of images; :meth:`lightning_nas.models.Model.predict` calls it.

        Args:
            images: A file, an array ``(H, W, 3)`` of ``uint8`` or a picture of Pillow: one answer; a folder or a list of these:
                a list of answers.
            classes: ``id``, ``name`` and perhaps ``color`` of each.
            preparation: The data module's.
            batch_size: Images at a time.

        Raises:
            NasError: If there are no images, or one cannot be read.
        """
        items, alone = listed(images)
        answers: list[Any] = []
        channels = self.channels_of(preparation)
        training = self.training
        self.eval()
        try:
            starts = range(0, len(items), batch_size)
            for start in track(starts, "predicting", disable=len(starts) < 2, transient=True):
                part = [as_pixels(item, channels) for item in items[start : start + batch_size]]
                with torch.inference_mode():
                    answers += self.predict_pixels(part, classes, preparation)
        finally:
            self.train(training)
        return answers[0] if alone else answers

    def channels_of(self, preparation: Mapping[str, Any]) -> int:
        """How many channels images are read with."""
        return 3

    def predict_pixels(
        self, images: Sequence[np.ndarray], classes: Sequence[Mapping[str, Any]], preparation: Mapping[str, Any]
    ) -> list[Any]:
        """An answer for each image ``(H, W, C)`` of ``uint8``; gradients are off.

        Args:
            images: Of any sizes.
            classes: Of the run.
            preparation: Of the run.
        """
        raise NotImplementedError


def plain(value: Any) -> Any:
    """A value as JSON has it: a checkpoint holds nothing but data.

    Example:
        >>> plain({"a": (1, 2)})
        {'a': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value

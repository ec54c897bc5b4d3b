"""A trained network, ready to use: ``load_model("<run>").predict("street.jpg")``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import save
from torch import nn

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ArgumentError, ConfigError, MissingFileError, WeightsError
from lightning_nas.models.deployment import Deployment, deployment_of
from lightning_nas.models.formats import checked_formats, format_of, write_formats
from lightning_nas.models.of_run import make_of, record_of_front, record_of_run
from lightning_nas.models.record import ModelRecord
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.runs import ModelFolder, RunFolder
from lightning_nas.search.costs import backbone_of
from lightning_nas.search.tasks import bound_task


class Model:
    """A trained network with all that belongs to it.

    Args:
        task: The LightningModule, with its weights.
        record: What is known of it.

    Attributes:
        task: In evaluation mode; train it further like any other module.
        record: What is known of it.
    """

    def __init__(self, task: Any, record: ModelRecord) -> None:
        self.task, self.record = task.eval(), record

    @property
    def backbone(self) -> nn.Module:
        """Image -> feature maps."""
        return backbone_of(self.task)

    @property
    def neck(self) -> nn.Module | None:
        """Between backbone and head, where there is one."""
        return self._part("neck")

    @property
    def head(self) -> nn.Module | None:
        """What makes answers of feature maps, if the task says which part that is."""
        return self._part("head")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the network's outputs."""
        return self.record.class_names

    @property
    def preparation(self) -> Mapping[str, Any]:
        """What happens to an image before the task sees it."""
        return self.record.preparation

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the images that the network was made for."""
        return self.record.image_size

    def to(self, device: torch.device | str) -> Self:
        """Moves the network."""
        self.task.to(device)
        return self

    def predict(self, images: Any, *, batch_size: int = 4) -> Any:
        """What the network makes of images.

        Args:
            images: A file, an array ``(H, W, 3)`` of ``uint8`` or a picture of Pillow: one answer. A folder or a list of them:
                a list of answers; those of a folder are in the order of its files by name, with its sub-folders.
            batch_size: Images at a time.

        Raises:
            ArgumentError: If the task cannot predict, or the images are none.
        """
        own = getattr(self.task, "predict_any", None)
        if own is None:
            raise ArgumentError(
                f"{type(self.task).__name__} has no predict_any(images, classes, preparation=..., batch_size=...): call it as "
                "a module (model.task)"
            )
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, got {batch_size}")
        return own(images, self.record.classes, preparation=self.preparation, batch_size=batch_size)

    def save(self, folder: str | os.PathLike[str]) -> ModelFolder:
        """Writes the model into a folder from which :func:`load_model` reads it anywhere: weights and a record, no code."""
        place = ModelFolder(folder)
        place.path.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in self.task.state_dict().items()}
        write_atomic(place.weights, save(state))
        self.record.save(place.record)
        return place

    def deployment(self, size: tuple[int, int] | None = None) -> Deployment:
        """The network with all that happens before and after it, as one module from pixels to answers.

        Args:
            size: Height and width of the images; None: what suits the model.
        """
        return deployment_of(self.task, self.record, size)

    def export(self, path: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> Path:
        """Writes the whole network as one file of another kind, with what happens before and after it.

        Args:
            path: Its ending says the kind: ``.onnx``, ``.pt2`` (``torch.export``) or ``.torchscript``. A folder, or a name
                without ending: as :meth:`save`.
            size: Height and width of the images, where the file takes one size alone; None: what suits the model.

        Returns:
            What was written.

        Raises:
            ArgumentError: If the ending is another one.
            ExportError: If the network cannot be exported.
            MissingPackageError: If a package is missing that this needs.
        """
        place = Path(path)
        if place.is_dir() or not place.suffix:
            return self.save(place).path
        kind = format_of(place)
        checked_formats([kind])
        write_formats(self.task, self.record, {kind: place}, size)
        return place

    def _part(self, name: str) -> Any:
        parts = getattr(self.task, "network_parts", None)
        return None if parts is None else parts().get(name)

    def __repr__(self) -> str:
        metric = self.record.metric
        reached = "" if metric is None else f", {metric['name']} {metric['value']} on the {metric['on']}"
        return f"Model({self.record.task['name']}, {len(self.classes)} classes{reached})"


def load_model(source: str | os.PathLike[str], *, allow: Collection[str] = ()) -> Model:
    """A trained network with its weights, classes and preparation, on the CPU.

    Args:
        source: Folder of a search (the network that it has found and trained) or of a training; a network of a front
            (``<run>/front/3``); a folder that :meth:`Model.save` or the command ``export`` has written, or a file in it.
        allow: Dotted names of classes outside this package that it may name, e.g. ``["my_project.MyTask"]``.

    Raises:
        MissingFileError: If there is no such file or folder.
        ConfigError: If it is none of these, or names a class of others.
        WeightsError: If the weights are of another network.

    Example:
        >>> model = load_model("runs/train/mine")  # doctest: +SKIP
        >>> model.predict("street.jpg")  # doctest: +SKIP
    """
    record, weights = read_model(source)
    return Model(build_task(record, weights, allow), record)


def read_model(source: str | os.PathLike[str]) -> tuple[ModelRecord, Path]:
    """The record of a trained network and the file of its weights, see :func:`load_model`; nothing is built."""
    said = f"model = {str(source)!r}"
    if not os.path.exists(source):
        raise MissingFileError(f"{said}: there is no such file or folder")
    exported = ModelFolder.holding(source)
    if exported is not None:
        if not exported.weights.is_file():
            raise ConfigError(f"{said}: there is no {exported.weights.name} beside its {exported.record.name}")
        return ModelRecord.load(exported.record), exported.weights
    folder = RunFolder(source)
    if not folder.path.is_dir():
        names = ", ".join(file.name for file in folder.path.parent.iterdir() if file in ModelFolder(file.parent).files)
        raise ConfigError(
            f"{said}: expected a folder of a run or of an exported model, or a file in such a folder; beside it there is "
            f"{names or 'no file of a model'}"
        )
    if folder.architecture.is_file() and folder.weights.is_file() and not folder.config.is_file():
        return record_of_front(folder, said)
    if not folder.architecture.is_file():
        raise ConfigError(
            f"{said}: neither a finished run nor an exported model: there is neither {folder.architecture.name} nor "
            f"{ModelFolder(source).record.name}"
        )
    return record_of_run(folder, said)


def build_task(record: ModelRecord, weights: Path, allow: Collection[str] = ()) -> Any:
    """The task of a record with its weights, in evaluation mode.

    Raises:
        ConfigError: If it names a class of others, or cannot be built.
        WeightsError: If the weights are of another network.
    """
    target = record.task["target"]
    make = make_of({"_target_": target, **record.task["arguments"]}, allow)
    backbone = build_network(record.architecture)
    try:
        task: Any = bound_task(make, {})(backbone)
    except Exception as error:
        if target in allow:  # it says itself what is wrong
            raise
        cause = error.__cause__ or error
        said = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
        raise ConfigError(
            f"task = {target}: no task can be built of {dict(record.task['arguments'])}: {said}"
        ) from error
    try:
        task.load_state_dict(read_state_dict(weights))
    except RuntimeError as error:
        raise WeightsError(f"{weights}: the weights of another network: {' '.join(str(error).split())[:300]}") from None
    return task.eval()

"""The folder of a whole model: the only file that spells the names in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelFolder:
    """Where a trained network lies with all that is needed to use it: data, and no code.

    Args:
        path: The folder; it need not exist.

    Example:
        >>> model = ModelFolder("street_model")
        >>> model.record.name, model.weights.name, model.onnx.name
        ('model.json', 'model.safetensors', 'model.onnx')
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def record(self) -> Path:
        """What the network is: task, architecture, classes, how images are prepared."""
        return self.path / "model.json"

    @property
    def weights(self) -> Path:
        """The whole task's weights."""
        return self.path / "model.safetensors"

    @property
    def onnx(self) -> Path:
        """The network for ONNX Runtime and others."""
        return self.path / "model.onnx"

    @property
    def onnx_int8(self) -> Path:
        """The same with weights and activations of 8 bits."""
        return self.path / "model.int8.onnx"

    @property
    def program(self) -> Path:
        """The network as ``torch.export`` keeps it."""
        return self.path / "model.pt2"

    @property
    def torchscript(self) -> Path:
        """The network as TorchScript."""
        return self.path / "model.torchscript"

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.record, self.weights, self.onnx, self.onnx_int8, self.program, self.torchscript)

    @classmethod
    def holding(cls, path: str | os.PathLike[str]) -> ModelFolder | None:
        """The folder of a model that a path means, itself or by one of its files; None if it means none."""
        place = Path(path)
        folder = cls(place if place.is_dir() else place.parent)
        if place.is_dir() or place in folder.files:
            return folder if folder.record.is_file() else None
        return None

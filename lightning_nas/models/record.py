"""What a trained network is, as a value of JSON: enough to build and use it again without the run and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lightning_nas.architecture import Architecture, write_atomic
from lightning_nas.errors import ArchitectureError, WeightsError
from lightning_nas.runs.contents import checked, read_text

FORMAT = 1

Side = Annotated[int, Field(ge=1, le=100_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Task(_Strict):
    name: str
    target: str
    arguments: dict[str, Any]


class _Class(_Strict):
    id: int
    name: str


class _Metric(_Strict):
    name: str
    value: Annotated[float, Field(allow_inf_nan=False)] | None
    mode: Literal["max", "min"]
    on: str


class _Record(_Strict):
    """The file."""

    format: Literal[1]
    task: _Task
    architecture: dict[str, Any]
    classes: list[_Class]
    preparation: dict[str, Any]
    input_size: Annotated[list[Side], Field(min_length=3, max_length=3)] | None
    metric: _Metric | None
    versions: dict[str, str]


@dataclass(frozen=True)
class ModelRecord:
    """All that is known of a trained network beside its weights.

    Args:
        task: ``name``, ``target`` (dotted name of the LightningModule) and ``arguments``, all but its backbone.
        architecture: Of the network.
        classes: ``id``, ``name`` and perhaps ``color`` of each, in the order of the network's outputs.
        preparation: What happens to an image before the task sees it, as its data module says.
        input_size: Channels, height and width of the image that cost was counted for.
        metric: The metric that decides: ``name``, ``value``, ``mode`` (``"max"`` or ``"min"``) and on which images (``on``).
        data: ``name`` of the data, whether they are ``generated``, and names of the ``task_arguments`` that they said.
        cost: ``params`` and ``macs`` of the whole network, where they were counted.
        pretrained: ``source`` of the weights that training started from, their ``licence`` (None where none is stated) and
            ``terms``, see :func:`~lightning_nas.networks.licences.pretrained_record`; None if it started from random ones.
        versions: Of the packages that it was trained with.
        exported: What lies beside it: name of a format -> what is known of that file.

    Example:
        >>> from lightning_nas.spaces.published import published
        >>> record = ModelRecord({"name": "mine", "target": "mine.Task", "arguments": {}}, published("darts_v2"))
        >>> ModelRecord.from_json(record.to_json(), "record") == record
        True
    """

    task: Mapping[str, Any]
    architecture: Architecture
    classes: Sequence[Mapping[str, Any]] = ()
    preparation: Mapping[str, Any] = field(default_factory=dict)
    input_size: tuple[int, int, int] | None = None
    metric: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    pretrained: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    exported: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(dict(entry) for entry in self.classes))

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the network's outputs."""
        return tuple(str(entry["name"]) for entry in self.classes)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the image that cost was counted for."""
        return None if self.input_size is None else self.input_size[1:]

    def with_files(self, **exported: Any) -> ModelRecord:
        """The same with what is known of files beside it."""
        return replace(self, exported={**self.exported, **exported})

    def to_json(self) -> str:
        """The text of the file."""
        content = {
            "format": FORMAT,
            **asdict(replace(self, architecture=None)),  # type: ignore[arg-type]
            "architecture": self.architecture.to_dict(),
        }
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelRecord:
        """Reads :meth:`to_json`'s text; nothing in it is imported or run.

        Args:
            text: Of the file.
            where: What to call it in messages.

        Raises:
            WeightsError: If it is no record of a model.
        """
        data = checked(text, _Record, where, WeightsError)
        try:
            architecture = Architecture.from_dict(data["architecture"])
        except ArchitectureError as error:
            raise WeightsError(f"{where}: architecture: {error}") from None
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        size = data["input_size"]
        return cls(**{**known, "architecture": architecture, "input_size": None if size is None else tuple(size)})

    def save(self, path: Path) -> None:
        """Writes the file."""
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> ModelRecord:
        """Reads the file.

        Raises:
            WeightsError: If it is no record of a model.
        """
        return cls.from_json(read_text(path, WeightsError), str(path))

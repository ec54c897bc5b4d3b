"""What the files of a run hold: a folder may come from a stranger, or be damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lightning_nas.errors import NasError, RunFolderError

Finite = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[int, Field(ge=0)]
Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1 + 1e-6)]
Byte = Annotated[int, Field(ge=0, le=255)]
Metrics = dict[str, Finite | None]


class _Content(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Latency(_Content):
    median_ms: Finite
    p10_ms: Finite
    p90_ms: Finite


class _OlderLatency(_Content):
    median: Finite
    p10: Finite
    p90: Finite


class _Part(_Content):
    """The reader of costs says what is missing."""

    parameters: Amount = 0
    macs: Amount = 0
    latency: _Latency | None = None


class _Costs(_Content):
    """Of this version or an earlier one, which knew the backbone alone."""

    backbone: _Part | None = None
    network: _Part | None = None
    parameters: Amount | None = None
    macs: Amount | None = None
    latency_ms: _OlderLatency | None = None


class Result(_Costs):
    """``result.json`` of a network, and an entry of a comparison."""

    name: str
    kind: Literal["found", "random", "baseline", "front", "alone"]
    metrics: Metrics
    seconds: Duration = 0.0
    input_size: Annotated[list[Amount], Field(min_length=3, max_length=3)] | None = None
    failure: str | None = None
    interval: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = None


class _Class(_Content):
    id: int
    name: str
    color: Annotated[list[Byte], Field(min_length=3, max_length=3)] | None = None


class Summary(_Content):
    """``summary.json``."""

    task: str
    data: str
    space: str
    strategy: str
    seed: int
    metrics: Metrics
    cost: _Costs
    comparison: list[Result]
    classes: list[_Class] = []
    seconds: dict[str, Duration] = {}
    versions: dict[str, str] = {}
    preparation: dict[str, Any] = {}
    task_arguments: dict[str, Any] = {}
    generated: bool = False
    pretrained: dict[str, Any] | None = None


class Epoch(_Content):
    """A line of ``history.jsonl``."""

    epoch: Amount
    probabilities: dict[str, Annotated[list[Annotated[list[Share], Field(min_length=1)]], Field(min_length=1)]]
    entropy: dict[str, Finite] = {}
    skip_share: dict[str, Share] = {}
    choices: dict[str, str | int] = {}
    eigenvalue: Finite | None = None
    frozen_share: Share | None = None
    stopped: str | None = None


class Candidate(_Content):
    """A line of ``evolution.jsonl``."""

    choices: dict[str, Any] = {}
    fitness: Finite | None


class MeasuredNetwork(Candidate):
    """A line of ``evolution.jsonl`` where networks are measured for a front."""

    costs: dict[str, Finite]
    round: Amount
    measured: dict[str, Any]


class FrontNetwork(_Content):
    """A network of ``front.json``."""

    number: Amount
    metric: Finite
    inherited: Finite
    macs: Amount
    params: Amount
    latency: _Latency | None = None


class Front(_Content):
    """``front.json``."""

    metric: str
    cost: str
    chosen: Amount
    measured: Amount
    task_arguments: dict[str, Any] = {}
    latency_model: str | None = None
    networks: Annotated[list[FrontNetwork], Field(min_length=1)]


class MeasuredLatencies(_Content):
    """``latencies.json``."""

    networks: dict[str, _Latency]


class Trial(_Content):
    """A line of ``trials.jsonl``."""

    number: Amount
    state: str
    objectives: list[str]
    values: list[Finite] | None
    seconds: Duration | None = None
    metrics: dict[str, Any] = {}


class Scoring(_Content):
    """``scoring.json``."""

    seconds: Duration


def read_text(path: Path, refuse: Callable[[str], NasError] = RunFolderError) -> str:
    """The text of a file of a run.

    Args:
        path: The file.
        refuse: Makes the error.

    Raises:
        NasError: If it is not UTF-8, or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeError as error:
        raise refuse(f"{path}: not UTF-8: {error}") from None
    except OSError as error:
        raise refuse(f"{path}: cannot be read: {error.strerror}") from None


def checked(
    text: str, kind: type[BaseModel], where: str, refuse: Callable[[str], NasError] = RunFolderError
) -> dict[str, Any]:
    """The JSON object of a text, if it holds what a file of that kind does.

    Args:
        text: Of the file, or of one of its lines.
        kind: One of the classes of this file.
        where: The file, and the line.
        refuse: Makes the error.

    Raises:
        NasError: Naming the place and what was expected.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refuse(f"{where}: not valid JSON: {str(error)[:200]}") from None
    if not isinstance(data, dict):
        raise refuse(f"{where}: expected a JSON object, got {type(data).__name__}")
    try:
        kind.model_validate(data)
    except ValidationError as error:
        missing = [str(one["loc"][0]) for one in error.errors() if one["type"] == "missing" and len(one["loc"]) == 1]
        if missing:
            raise refuse(f"{where}: missing keys {sorted(missing)}") from None
        first, count = error.errors(include_url=False)[0], error.error_count()
        place = ".".join(str(part) for part in first["loc"])
        value = repr(first["input"])
        got = "" if first["type"] == "missing" else f", got {value if len(value) < 100 else value[:100] + '...'}"
        more = f", and {count - 1} more such places" if count > 1 else ""
        raise refuse(f"{where}: {place}: {first['msg']}{got}{more}") from None
    return data


def read_yaml(text: str) -> Any:
    """Plain values of a YAML text, read by the compiled parser where there is one: ten times as fast.

    Raises:
        yaml.YAMLError: If it is none, or asks for objects.
        ValueError: If a value is none of its kind, such as a 13th month.
        RecursionError: If it is nested too deeply.
    """
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_overrides(path: Path, refuse: Callable[[str], NasError] = RunFolderError) -> list[str]:
    """The settings that the user of a run gave; none if there is no such file.

    Raises:
        NasError: If it is no list.
    """
    if not path.exists():
        return []
    try:
        overrides = read_yaml(read_text(path, refuse))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refuse(f"{path}: not the settings of a run: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(overrides, list):
        raise refuse(f"{path}: not the settings of a run: expected a list")
    return [str(item) for item in overrides]

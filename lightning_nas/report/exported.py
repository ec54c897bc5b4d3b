"""The exported file of a run: what it reaches on the test images and how long it takes, as measured of the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError, ReportError
from lightning_nas.report.tables import DASH, count, decimal
from lightning_nas.runs import ModelFolder, RunFolder
from lightning_nas.runs.automatic import AutomaticFolder
from lightning_nas.runs.contents import Amount, Finite, checked, read_text


@dataclass(frozen=True)
class ExportedFile:
    """The ONNX file of a model.

    Args:
        folder: Of the model.
        file: Its name.
        network: Which network of the run it is, e.g. ``"found"``.
        metric: Name of what it reaches; None if it was not tested.
        value: Of the metric.
        latency: As measured in ONNX Runtime; None if it was not.
        cost: ``params`` and ``macs``, where they were counted.
    """

    folder: Path
    file: str
    network: str
    metric: str | None
    value: float | None
    latency: Mapping[str, Any] | None
    cost: Mapping[str, int]

    @property
    def title(self) -> str:
        """What to call it in a table."""
        return f"{self.network}, as {self.file}"

    def row(self, metric: str) -> tuple[str, ...]:
        """Of a comparison, see :func:`~lightning_nas.report.tables.comparison_rows`.

        Args:
            metric: The one of the table.
        """
        reached = decimal(self.value) if self.metric == metric else "not tested"
        params, macs = (count(self.cost[name]) if name in self.cost else DASH for name in ("params", "macs"))
        return (self.title, reached, DASH, params, DASH, macs)

    def costs(self) -> tuple[str, ...]:
        """Parameters, multiply-adds and latency, as the table of costs has them."""
        counted = [f"{self.cost[name]:,}" if name in self.cost else "not counted" for name in ("params", "macs")]
        if self.latency is None:
            return (*counted, "not measured", "not measured")
        spread = f"{self.latency['p10_ms']:.2f} to {self.latency['p90_ms']:.2f} ms"
        return (*counted, f"{self.latency['median_ms']:.2f} ms", spread)

    def note(self) -> str:
        """How both were measured."""
        said = [f'The numbers of "{self.title}" are those of the file itself, with all before and after the network.']
        if self.metric is None:
            said.append("It was not tested.")
        else:
            said.append("ONNX Runtime ran it on the test images.")
        if self.latency is not None:
            threads = self.latency["threads"]
            said.append(f"Latency: {self.latency['runtime']}, {threads} thread{'s' * (threads > 1)}, one image.")
        return " ".join(said)


def model_folder(run: RunFolder) -> ModelFolder:
    """Where the exported model of a run lies, if it has one."""
    whole = AutomaticFolder(run.path.parent)
    return ModelFolder(whole.model if whole.state.is_file() and whole.training.path == run.path else run.export)


def exported_file(run: RunFolder) -> ExportedFile | None:
    """What is known of the exported file of a run; None if there is no ONNX file.

    Raises:
        ReportError: If its record is damaged; it names the file.
    """
    folder = model_folder(run)
    if not folder.record.is_file():
        return None
    data = checked(read_text(folder.record, ReportError), _Record, str(folder.record), ReportError)
    known = data["exported"].get("onnx")
    if known is None or not folder.onnx.is_file():
        return None
    try:
        own = Architecture.from_dict(data["architecture"]).hash
    except ArchitectureError as error:
        raise ReportError(f"{folder.record}: architecture: {error}") from None
    tested = known.get("tested") or {}
    return ExportedFile(
        folder.path, folder.onnx.name, _network(run, own), tested.get("metric"), tested.get("value"), known.get("latency"),
        {name: data["cost"][name] for name in ("params", "macs") if name in data["cost"]},
    )  # fmt: skip


def _network(run: RunFolder, own: str) -> str:
    """Which network of a run has an architecture."""
    if Architecture.load(run.architecture).hash == own:
        return "found"
    numbers = sorted(int(path.name) for path in run.front.glob("*") if path.name.isdecimal())
    records = {number: run.front_network(number).architecture for number in numbers}
    found = [n for n, path in records.items() if path.is_file() and Architecture.load(path).hash == own]
    return f"front {found[0]}" if found else "another network"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Latency(_Strict):
    median_ms: Finite
    p10_ms: Finite
    p90_ms: Finite
    threads: Annotated[int, Field(ge=1)]
    runtime: str


class _Tested(_Strict):
    metric: str
    value: Finite | None


class _File(_Strict):
    latency: _Latency | None = None
    tested: _Tested | None = None


class _Files(_Strict):
    onnx: _File | None = None


class _Cost(_Strict):
    params: Amount | None = None
    macs: Amount | None = None


class _Record(_Strict):
    """What is read of the record of a model."""

    architecture: dict[str, Any]
    exported: _Files = _Files()
    cost: _Cost = _Cost()

"""What a task and its data may say of themselves, so that the library needs to know no task.

A task is any LightningModule that is built with a ``backbone``; its data are any LightningDataModule. Everything below is
optional. A module that says nothing is judged by its loss.

On the task, as attributes of the class or of the object::

    class DepthTask(pl.LightningModule):
        headline = "rmse"  # the metric that decides, logged as "val/rmse" and "test/rmse"
        headline_mode = "min"  # whether smaller or larger ("max", the default) is better
        headline_interval = None  # after a test: its 95 % interval, see lightning_nas.evaluation.bootstrap
        report_pictures = {"samples.jpg": "Image, truth, estimate."}  # what a test writes into trainer.log_dir -> caption

        # A test may also write its worst images there, see lightning_nas.runs.gallery.Gallery.

        def report_tables(self, datamodule):  # beside the headline, which every report compares
            return [MetricTable("Errors by distance", {"rmse_near": "near", "rmse_far": "far"})]

        def predict_folder(self, images, out, classes, *, batch_size, preparation, skip_invalid):
            ...  # what the command ``predict`` calls

        def predict_any(self, images, classes, *, preparation, batch_size):
            ...  # an answer for a file, an array or a picture; a list of them for a list or a folder: ``Model.predict``

        def network_parts(self):
            return {"head": self.head}  # ``Model.head``, and ``neck`` where there is one

        def deployment(self, record, size):  # what an export writes; without it, ``forward`` as it is
            return lightning_nas.models.Deployment(...)

``input_size`` (channels, height, width) or Lightning's ``example_input_array`` says what ``forward`` takes, where it is no
batch of images or a list of them.

On the data module::

    class DepthData(pl.LightningDataModule):
        in_channels = 3  # of an image; needed, as a network begins with them
        image_size = (64, 64)  # height and width; needed unless the task has an input_size
        generated = True  # whether no camera has seen the images: a report says so
        class_names = ("near", "far")  # or ``categories`` or ``classes``, dataclasses with ``id`` and ``name``
        preparation = {}  # a value of JSON: what predict_folder has to do to images first

        def task_arguments(self):  # a value of JSON: what the task is built with, beside its backbone
            return {"max_depth": 10.0}

What a report needs of this is written into ``summary.json``, so that reports are made without the task's code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning_nas.errors import ArgumentError, NasError

PICTURES = (".jpg", ".jpeg", ".png")
"""Endings of pictures that a page can show."""


@dataclass(frozen=True)
class MetricTable:
    """A table of a report: test metrics of all compared networks.

    Args:
        title: The heading above the table.
        metrics: Name of a metric, without ``test/`` -> what it is called in the table, in the order of the table.
        note: A sentence or two below the table.
        rows: ``"networks"``: one row per network, the metrics are columns; ``"metrics"``: the other way round, and metrics that
            no network has are left out.
        corner: The heading of the first column.

    Raises:
        NasError: If ``rows`` is neither.

    Example:
        >>> MetricTable("Errors by distance", {"rmse_near": "near", "rmse_far": "far"}).rows
        'networks'
    """

    title: str
    metrics: Mapping[str, str]
    note: str = ""
    rows: Literal["networks", "metrics"] = "networks"
    corner: str = "Network"

    def __post_init__(self) -> None:
        if self.rows not in ("networks", "metrics"):
            raise NasError(f"rows of a table must be 'networks' or 'metrics', got {self.rows!r}")


@dataclass(frozen=True)
class Presentation:
    """What a task says of itself; see the top of this file.

    Args:
        headline: The metric that decides, without ``val/`` and ``test/``; None if the task does not say.
        mode: Whether larger (``"max"``) or smaller (``"min"``) values of it are better.
        tables: What a report shows beside it.
        pictures: Name of a file that a test writes -> its caption in a report.

    Raises:
        NasError: If a value is not what it should be.
    """

    headline: str | None = None
    mode: Literal["max", "min"] = "max"
    tables: Sequence[MetricTable] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = self.headline
        if name is not None and (not isinstance(name, str) or not name or name.startswith(("val/", "test/"))):
            raise NasError(f"headline = {name!r}: expected the name of a metric without val/ and test/, e.g. 'rmse'")
        if self.mode not in ("max", "min"):
            raise NasError(f"headline_mode = {self.mode!r}: expected 'max' or 'min'")
        for file in self.pictures:
            if not isinstance(file, str) or "/" in file or "\\" in file or not file.lower().endswith(PICTURES):
                raise NasError(
                    f"report_pictures: {file!r}: expected the name of a file that ends with one of {PICTURES}"
                )

    @classmethod
    def of(cls, task: Any, datamodule: Any = None) -> Presentation:
        """What a task says.

        Args:
            task: Any module.
            datamodule: Its data, on which tables may depend; None leaves the tables out.

        Raises:
            NasError: If what it says is not what it should be.
        """
        tables = getattr(task, "report_tables", None)
        return cls(
            getattr(task, "headline", None),
            getattr(task, "headline_mode", "max"),
            () if datamodule is None or tables is None else tuple(tables(datamodule)),
            dict(getattr(task, "report_pictures", {})),
        )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Presentation:
        """What ``dataclasses.asdict`` has made of one.

        Raises:
            ValueError: If a value is not what it should be.
            TypeError: If keys are missing or unknown.
        """
        tables = [MetricTable(**table) for table in record["tables"]]
        return cls(**{**record, "tables": tuple(tables), "pictures": dict(record["pictures"])})

    def deciding(self, metrics: Collection[str]) -> tuple[str, Literal["max", "min"]]:
        """The metric that decides, and whether larger or smaller values are better.

        Where the task does not say: its ``loss``, or else the first metric by name.

        Args:
            metrics: Names of all that there are, without ``val/`` and ``test/``.

        Raises:
            ValueError: If the task does not say and there are none.

        Example:
            >>> Presentation("rmse", "min").deciding(["loss", "rmse"]), Presentation().deciding(["loss", "rmse"])
            (('rmse', 'min'), ('loss', 'min'))
        """
        if self.headline is not None:
            return self.headline, self.mode
        if not metrics:
            raise ArgumentError("metrics must hold at least one name, got none")
        name = "loss" if "loss" in metrics else min(metrics)
        return name, "min" if any(word in name for word in ("loss", "error")) else "max"

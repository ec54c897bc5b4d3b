"""Architectures looked up in a table of results, such as a tabular benchmark."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning_nas.architecture import Choices, Option, decode_text
from lightning_nas.errors import ArchitectureError, JobError, TableError
from lightning_nas.search.job import Job
from lightning_nas.spaces import SearchSpace

Key = tuple[tuple[str, Option], ...]
"""The choices of an architecture, in the order of the decisions."""


SEPARATORS = ",;\t"
"""Between the values of a line."""


class ResultTable:
    """The rows of a CSV file by architecture.

    The file (``.csv`` or ``.csv.gz``) has a header. One column holds architectures in the text form of the space
    (``space.to_text``; that of NAS-Bench-201 is ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``), every other one a finite number
    with a decimal point, or nothing where it is not known. Values do not depend on the order of rows or columns. Commas,
    semicolons or tabs separate them, whichever the header has.

    Args:
        file: The file.
        space: The search space.
        column: Which one holds the architectures.

    Raises:
        TableError: If the file is not there or malformed, a value is no finite number, or a row is no architecture of the
            space or there twice.
    """

    def __init__(self, file: str | Path, space: SearchSpace, column: str = "arch") -> None:
        self.file, self.space = Path(file), space
        if not self.file.is_file():
            raise TableError(f"table {file}: there is no such file")
        lines = _lines(self.file)
        _, names = next(lines, (0, []))
        if column not in names:
            raise TableError(f"table {file}: no column {column!r}; there are {names}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TableError(f"table {file}: columns {twice} are there more than once")
        self.columns = tuple(name for name in names if name != column)
        self.rows: dict[Key, dict[str, float]] = {}
        for number, cells in lines:
            if not cells:
                continue
            where = f"table {file}, line {number}"
            if len(cells) != len(names):
                raise TableError(f"{where}: {len(cells)} values, but the header has {len(names)} columns")
            row = dict(zip(names, cells, strict=True))
            try:
                key = _key(space.from_text(row[column]))
                values = {name: _number(row[name], name) for name in self.columns if row[name].strip()}
            except (ArchitectureError, ValueError) as error:
                raise TableError(f"{where}: {error}") from None
            if key in self.rows:
                raise TableError(f"{where}: {row[column]!r} is there twice")
            self.rows[key] = values
        if not self.rows:
            raise TableError(f"table {file}: no row; expected at least one architecture")

    def require(self, *columns: str) -> None:
        """Checks that there are such columns.

        Raises:
            TableError: Naming the one that is missing.
        """
        for column in columns:
            if column not in self.columns:
                raise TableError(f"table {self.file}: no column {column!r}; there are {list(self.columns)}")

    def __getitem__(self, choices: Choices) -> Mapping[str, float]:
        """The row of an architecture.

        Raises:
            TableError: If the table does not have it.
        """
        try:
            return self.rows[_key(choices)]
        except KeyError:
            raise TableError(f"table {self.file} has no architecture {self.space.to_text(choices)!r}") from None


class TableEvaluator:
    """Tells what a table says; nothing is trained.

    Args:
        job: The search; its space must have the text form of the table.
        file: The table, see :class:`ResultTable`.
        metric: Column that is maximised.
        column: Column of the architectures.

    Attributes:
        measures: The columns of numbers.

    Raises:
        TableError: If the table cannot be used or has no such column.

    Example:
        >>> from functools import partial
        >>> from lightning_nas.search import Job
        >>> evaluator = partial(TableEvaluator, file="results.csv", metric="accuracy")
        >>> job = Job(space, datamodule=data, make_task=MyTask, evaluator=evaluator)  # doctest: +SKIP
    """

    def __init__(self, job: Job, *, file: str, metric: str, column: str = "arch") -> None:
        self.table = ResultTable(file, job.space, column)
        self.table.require(metric)
        self.metric, self.measures = metric, self.table.columns

    def __call__(self, choices: Choices, trial: Any) -> dict[str, float]:
        """All columns of the architecture's row.

        Raises:
            TableError: If there is no such row.
        """
        return dict(self.table[choices])


def _key(choices: Choices) -> Key:
    return tuple(choices.items())


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and values of every line; the first is the header."""
    text = _text(file)
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=header.count))
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise TableError(f"table {file}, line {reader.line_num}: not readable as CSV: {error}") from None


def _number(text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise JobError(f"{column} = {text!r}: expected a finite number with a decimal point, or nothing")
    return value


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
        return decode_text(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise TableError(f"table {file}: not readable as CSV text: {error}") from None

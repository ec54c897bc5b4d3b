"""What a user need not write: settings that follow from others, added before Hydra composes them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from lightning_nas.errors import MissingFileError
from lightning_nas.runs import ModelFolder, RunFolder


def completed(command: str, overrides: Sequence[str]) -> list[str]:
    """The settings of a command with those that follow from them.

    ``export format=onnx,torch`` means a list; ``train model=<model>`` has the task of that model.

    Args:
        command: The command.
        overrides: What the user has written.

    Example:
        >>> completed("export", ["run=mine", "format=onnx,torch"])
        ['run=mine', 'format=[onnx,torch]']
    """
    given = dict(item.partition("=")[::2] for item in overrides)
    if command == "export":
        return [_as_list(item) for item in overrides]
    model = given.get("model", "").strip("'\"")
    if command == "train" and model not in ("", "null") and "task" not in given:
        if not Path(model).exists():
            raise MissingFileError(f"model = {model!r}: there is no such file or folder")
        name = _task_of(Path(model))
        return [*overrides, *([f"task={name}"] if name else [])]  # without one the command says what is wrong
    return list(overrides)


def _task_of(source: Path) -> str | None:
    """Name of the config of a model's task, of a run's or of the search that a front belongs to."""
    exported = ModelFolder.holding(source)
    files = [RunFolder(folder).summary for folder in (source, source / ".." / "..")]
    for file in files if exported is None else [exported.record]:
        with contextlib.suppress(OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            task = json.loads(file.read_text(encoding="utf-8"))["task"]
            name = task["name"] if isinstance(task, dict) else task
            return name if name.isidentifier() else None
    return None


def _as_list(item: str) -> str:
    name, _, value = item.partition("=")
    return f"format=[{value}]" if name == "format" and not value.startswith("[") else item

"""How a task is built: a backbone, what its config says, and what its data say of themselves."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.presentation import Presentation
from lightning_nas.spaces import Backbone


def task_arguments(datamodule: Any) -> dict[str, Any]:
    """What a task is built with beside its backbone: what the data's ``task_arguments()`` gives, nothing if there is none.

    Args:
        datamodule: Any data module.

    Raises:
        ArgumentError: If it gives anything but a dictionary that JSON can hold: ``summary.json`` keeps it, so that the task can
            be built again without the data.
    """
    say = getattr(datamodule, "task_arguments", None)
    arguments = {} if say is None else say()
    try:
        if not isinstance(arguments, Mapping):
            raise TypeError(f"not a dictionary but {type(arguments).__name__}")
        json.dumps(dict(arguments), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{type(datamodule).__name__}.task_arguments() = {arguments!r}: expected a dictionary of plain values: {error}"
        ) from None
    return dict(arguments)


def bound_task(
    make: Callable[..., pl.LightningModule], arguments: Mapping[str, Any]
) -> Callable[[Backbone], pl.LightningModule]:
    """A function: backbone -> the task.

    Args:
        make: Builds the task from ``backbone`` and the arguments; a partial one holds what the config says.
        arguments: What the data say, see :func:`task_arguments`.

    Raises:
        ArgumentError: If the task needs more, takes something of it not, or the config says something else. The function raises
            it for a task whose ``headline`` or the like is not what it should be.
    """
    name = getattr(make.func if isinstance(make, partial) else make, "__name__", "the task")
    said: Mapping[str, Any] = make.keywords if isinstance(make, partial) else {}
    for key, value in arguments.items():
        if key in said and said[key] != value:
            raise ArgumentError(f"task.{key} = {said[key]!r}, but the data say {key} = {value!r}")
    parameters = inspect.signature(make).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes = {parameter.name for parameter in parameters if parameter.kind in named}
    needs = {p.name for p in parameters if p.kind in named and p.default is p.empty} - {"backbone"}
    missing, unknown = sorted(needs - set(arguments)), sorted(set(arguments) - takes)
    if missing:
        raise ArgumentError(
            f"{name} needs {missing}: set task.{missing[0]}, or let task_arguments() of the data module give it"
        )
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        raise ArgumentError(f"{name} takes no {unknown}, which task_arguments() of the data module gives")

    def build(backbone: Backbone) -> pl.LightningModule:
        task = make(backbone=backbone, **arguments)
        Presentation.of(task)  # refuses what would otherwise be found out at the end
        return task

    return build

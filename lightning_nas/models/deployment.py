"""A network as it is handed on: one module from the pixels of images to answers, with its inputs and outputs named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.errors import ExportError
from lightning_nas.models.record import ModelRecord
from lightning_nas.search.costs import working_call

Run = Callable[..., tuple[Tensor, ...]]
"""Inputs of a module or of its file -> outputs."""


@dataclass(frozen=True)
class Deployment:
    """What of a task is exported. A task gives it as ``deployment(record, size)``; see :func:`deployment_of`.

    Args:
        module: Tensors -> tensors, with all that happens before and after the network; in evaluation mode.
        example: What it is given.
        inputs: Name of each input.
        outputs: Name of each output.
        dynamic: Name of an input or output -> number of an axis whose size may change -> what to call that size.
        forward: Called with a function, inputs of the module -> its outputs, and with what the task's ``forward`` is given;
            gives what that gives. So an exported file can stand for the task in a test. None if it cannot.
        export_within: Makes a context in which ``torch.export`` understands the module.
        notes: What a user of the file has to know of its inputs and outputs, values of JSON.
    """

    module: nn.Module
    example: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    forward: Callable[[Run, Any], Any] | None = None
    export_within: Callable[[], Any] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


class Flat(nn.Module):
    """A task of which only ``forward`` is known, as a module whose inputs and outputs are tensors.

    Args:
        task: The task.
        lists: Whether it takes a list of images ``(C, H, W)`` instead of a batch.
    """

    def __init__(self, task: nn.Module, *, lists: bool) -> None:
        super().__init__()
        self.task, self.lists = task, lists

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        """Images -> all tensors of the answer, in order."""
        answer = self.task([image for (image,) in images]) if self.lists else self.task(*images)
        return tuple(_tensors(answer))


def deployment_of(task: Any, record: ModelRecord, size: tuple[int, int] | None = None) -> Deployment:
    """What of a task is exported: what it says itself, or else its ``forward`` as it is, for one image.

    Args:
        task: With its trained weights.
        record: Of the model.
        size: Height and width of the images; None: what suits the model.

    Raises:
        ExportError: If it does not say and its ``forward`` cannot be run for one image of known size, or takes no size.
    """
    own = getattr(task, "deployment", None)
    if own is not None:
        deployment: Deployment = own(record, size)
        return deployment
    if size is None and record.input_size is None:
        raise ExportError(f"size = None: the record of {type(task).__name__} does not say for which size of image")
    channels = 3 if record.input_size is None else record.input_size[0]
    data = _Images(channels, size or tuple(record.input_size or ())[1:])
    call = working_call(task, data)
    lists = bool(call.args) and isinstance(call.args[0], list)
    example = tuple(
        value[0][None] if isinstance(value, list) else value for value in (*call.args, *call.kwargs.values())
    )
    module = Flat(task, lists=lists).eval()
    with torch.no_grad():
        count = len(module(*example))
    inputs = tuple(call.kwargs) or tuple(f"input_{index}" for index in range(len(example)))
    return Deployment(module, example, inputs, tuple(f"output_{index}" for index in range(count)))


@dataclass(frozen=True)
class _Images:
    """Stands for a data module."""

    in_channels: int
    image_size: Any


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)

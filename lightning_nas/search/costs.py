"""What the network of a task costs for one image: its backbone alone, and everything that runs at inference."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from lightning_nas.cost import (
    Call,
    Cost,
    Latency,
    cost_of_call,
    exported_latency,
    latency_of_call,
    macs_of_call,
)
from lightning_nas.cost.probe import probe_input, random_numbers_kept
from lightning_nas.errors import ArgumentError, UncountableError
from lightning_nas.search.lightning.families import pl
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.image_size.network import image_part

SECONDS = 5.0
"""For the latency of a network, and for that of its backbone."""

Part = Literal["backbone", "network"]

T = TypeVar("T")


@dataclass(frozen=True)
class TaskCost:
    """What a task's network costs for one image. Parameters that only training reads do not count.

    Args:
        backbone: The backbone alone, without neck and head.
        network: The whole network: what the task's ``forward`` runs. None if it could not be run.
        input_size: Channels, height and width of the image.
    """

    backbone: Cost
    network: Cost | None
    input_size: tuple[int, int, int]


def cost_of_task(
    task: Any,
    datamodule: Any,
    device: torch.device | str = "cpu",
    *,
    timed: Collection[Part] = (),
    strict: bool = True,
) -> TaskCost:
    """Counts a task's backbone and whole network, and measures latency.

    The whole network is the task's ``forward`` in evaluation mode, given one black image: its ``example_input_array``, of
    which the first image is taken, or else zeros of :func:`input_size`, as a batch ``(1, C, H, W)``, or as a list of one
    ``(C, H, W)`` if it takes no batch. What only training or a test with several views of an image runs does not count.
    Detectors resize and pad the image as always. Their post-processing has no multiply-adds but is in the latency; the box
    head of Faster R-CNN counts for as many proposals as there are of that image, at most torchvision's 1,000.

    Args:
        task: With a ``backbone``; it is moved to the device and back.
        datamodule: Tells the size of an image if the task does not.
        device: Where to count and measure.
        timed: Whose latency is measured.
        strict: Whether a ``forward`` that cannot be run is an error; else a warning says so, and the backbone alone counts.

    Raises:
        UncountableError: If ``strict`` and ``forward`` cannot be run.
    """
    home = next((p.device for p in task.parameters()), torch.device("cpu"))
    place = torch.device(device)
    if home != place:
        task.to(place)
    try:
        size = input_size(task, datamodule)
        backbone = backbone_of(task)
        image = Call((_resized(task, probe_input(backbone, size)),))
        alone = cost_of_call(backbone, image)
        if "backbone" in timed:
            alone = replace(alone, latency=latency_of_call(backbone, image, place, seconds=SECONDS))
        network, call = _first_that_works(task, datamodule, cost_of_call)
        if "network" in timed:
            network = replace(network, latency=latency_of_call(task, call, place, seconds=SECONDS))
        return TaskCost(alone, network, size)
    except UncountableError as error:
        if strict:
            raise
        pl.utilities.rank_zero_warn(str(error))
        return TaskCost(alone, None, size)
    finally:
        if home != place:
            task.to(home)


def macs_of_choice(make_task: Callable[[Backbone], Any], datamodule: Any, build: Callable[[], Backbone]) -> int:
    """Multiply-adds of the whole network, see :func:`cost_of_task`, that is made of a backbone, untrained.

    Args:
        make_task: Backbone -> the task.
        datamodule: The data.
        build: Makes the backbone; the random numbers are as before afterwards.

    Raises:
        UncountableError: If the task's ``forward`` cannot be run.
    """
    with random_numbers_kept():
        return _first_that_works(make_task(build()), datamodule, macs_of_call)[0]


def exported_latency_of_task(task: Any, datamodule: Any, *, threads: int = 1, seconds: float = SECONDS) -> Latency:
    """Latency of the whole network of a task as an ONNX file, see :func:`~lightning_nas.cost.exported_latency`.

    Args:
        task: On the CPU; called as for :func:`cost_of_task`.
        datamodule: Tells the size of an image if the task does not.
        threads: Of ONNX Runtime.
        seconds: After which no more passes are begun.

    Raises:
        UncountableError: If ``forward`` cannot be run.
        ExportError: If it cannot be exported.
        MissingPackageError: If ONNX Runtime is not installed.
    """
    return exported_latency(task, working_call(task, datamodule), threads=threads, seconds=seconds)


def working_call(task: Any, datamodule: Any) -> Call:
    """What the whole network of a task is given for one image, see :func:`cost_of_task`.

    Args:
        task: Of the network.
        datamodule: Tells the size of an image if the task does not.

    Raises:
        UncountableError: If ``forward`` cannot be run.
    """
    return _first_that_works(task, datamodule, macs_of_call)[1]


def costs_of_choice(
    make_task: Callable[[Backbone], Any], datamodule: Any, build: Callable[[], Backbone]
) -> dict[str, float]:
    """``macs`` and ``params`` of the whole network that is made of a backbone, untrained.

    Args:
        make_task: Backbone -> the task.
        datamodule: The data.
        build: Makes the backbone; the random numbers are as before afterwards.

    Raises:
        UncountableError: If the task's ``forward`` cannot be run.
    """
    with random_numbers_kept():
        cost = _first_that_works(make_task(build()), datamodule, cost_of_call)[0]
    return {"macs": cost.macs, "params": cost.parameters}


def input_size(task: Any, datamodule: Any) -> tuple[int, int, int]:
    """Channels, height and width of an image as a task's network sees it.

    Those of the task's ``input_size``, or else of its ``example_input_array``, or else of the data's ``in_channels`` and
    ``image_size``.

    Raises:
        ValueError: If there is none of them.
    """
    own: tuple[int, int, int] | None = getattr(task, "input_size", None)
    if own is not None:
        return own
    example = getattr(task, "example_input_array", None)
    for value in () if example is None else _values(example):
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, Tensor) and first.dim() >= 3:
            channels, height, width = first.shape[-3:]
            return channels, height, width
    if hasattr(datamodule, "in_channels") and hasattr(datamodule, "image_size"):
        height, width = datamodule.image_size
        return datamodule.in_channels, height, width
    raise ArgumentError(
        f"the size of an image is not known: {type(task).__name__} has neither input_size nor example_input_array, and "
        f"{type(datamodule).__name__} lacks in_channels or image_size"
    )


def backbone_of(task: Any) -> nn.Module:
    """The backbone of a task; of a network that ends with a neck the part before it."""
    network: nn.Module = task.backbone
    parts = network.named_parts().values() if isinstance(network, Backbone) else ()
    return next((part for part in parts if part.role == "backbone"), network)


def _resized(task: Any, image: Tensor) -> Tensor:
    """The image as the backbone sees it, behind a part of the network that gives it another size."""
    part = image_part(task.backbone)
    if part is None:
        return image
    with torch.no_grad():
        return part(image)[0]


def _first_that_works(task: Any, datamodule: Any, measure: Callable[[nn.Module, Call], T]) -> tuple[T, Call]:
    """The measurement of the first way of calling the task that works, and that way."""
    errors = []
    calls = _calls(task, datamodule)
    for call in calls:
        try:
            return measure(task, call), call
        except Exception as error:  # whatever somebody's forward raises
            errors.append(error)
    raise UncountableError(
        f"the forward of {type(task).__name__} cannot be run for one image "
        f"({type(errors[0]).__name__}: {errors[0]}), so the cost of its whole network is not known; set its "
        "example_input_array if it takes neither a batch (B, C, H, W) nor a list of (C, H, W)"
    ) from errors[0]


def _calls(task: Any, datamodule: Any) -> list[Call]:
    example = getattr(task, "example_input_array", None)
    if example is not None:
        device = next((p.device for p in task.parameters()), torch.device("cpu"))
        example = pl.utilities.move_data_to_device(example, device)
        if isinstance(example, Mapping):
            return [Call((), {name: _first_image(value) for name, value in example.items()})]
        return [Call(tuple(_first_image(value) for value in _values(example)))]
    image = probe_input(task, input_size(task, datamodule))
    return [Call((image,)), Call(([image[0]],))]


def _values(example: Any) -> list[Any]:
    """The arguments in an ``example_input_array``: Lightning spreads tuples by position and dictionaries by name."""
    if isinstance(example, Mapping):
        return list(example.values())
    return list(example) if isinstance(example, tuple) else [example]


def _first_image(value: Any) -> Any:
    """Of a batch ``(B, C, H, W)`` or a list of images the first one, as a batch or list; anything else as it is."""
    batch = isinstance(value, list) or (isinstance(value, Tensor) and value.dim() == 4)
    return value[:1] if batch else value

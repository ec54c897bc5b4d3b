"""Layers that compute with a part of their channels: tensors are selected in every call, and never kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Part:
    """What is left of one module.

    Args:
        indices: Parameter or buffer -> dimension -> positions that are kept.
        sizes: Attribute -> its value.
    """

    indices: dict[str, dict[int, Tensor]] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)

    def of(self, name: str, tensor: Tensor) -> Tensor:
        """The part of a tensor, as a copy that gradients flow through."""
        for dim, index in self.indices[name].items():
            if index.device != tensor.device:
                index = self.indices[name][dim] = index.to(tensor.device)
            tensor = tensor.index_select(dim, index)
        return tensor

    def give_back(self, name: str, whole: Tensor, part: Tensor) -> None:
        """Writes the part of a buffer back, which the call may have changed."""
        ((dim, index),) = self.indices[name].items()
        whole.index_copy_(dim, index, part)


class Narrowed:
    """The ``forward`` of a module of which a part is active.

    Args:
        module: The module.
        part: What is active of it.
    """

    def __init__(self, module: nn.Module, part: Part) -> None:
        self.module, self.part = module, part
        self.inner = module.__dict__.get("forward")  # that of the user, where the instance has its own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the module's own forward with the part of its tensors."""
        module = self.module
        held = {name: _tensor(module, name) for name in self.part.indices}
        parts = {name: self.part.of(name, whole) for name, whole in held.items() if whole is not None}
        with swapped(module, parts, self.part.sizes):
            result = self.inner(*args, **kwargs) if self.inner else type(module).forward(module, *args, **kwargs)
        for name, whole in held.items():
            if module.training and whole is not None and name in module._buffers:
                with torch.no_grad():
                    self.part.give_back(name, whole, parts[name])
        return result


class Skipped:
    """The ``forward`` of a block that is left out: its input.

    Args:
        module: The block.
    """

    def __init__(self, module: nn.Module) -> None:
        self.inner = module.__dict__.get("forward")

    def __call__(self, x: Tensor) -> Tensor:
        """The input."""
        return x


def _tensor(module: nn.Module, name: str) -> Tensor | None:
    return module._parameters[name] if name in module._parameters else module._buffers[name]


@contextlib.contextmanager
def swapped(module: nn.Module, tensors: Mapping[str, Tensor], sizes: Mapping[str, Any]) -> Iterator[None]:
    """A module holds other tensors and sizes inside, and its own again afterwards."""
    homes: dict[str, Any] = {
        name: module._parameters if name in module._parameters else module._buffers for name in tensors
    }
    before = {name: homes[name][name] for name in tensors}
    sizes_before = {name: getattr(module, name) for name in sizes}
    try:
        for name, tensor in tensors.items():
            homes[name][name] = tensor
        for name, size in sizes.items():
            setattr(module, name, size)
        yield
    finally:
        for name, tensor in before.items():
            homes[name][name] = tensor
        for name, size in sizes_before.items():
            setattr(module, name, size)


def install(module: nn.Module, forward: Narrowed | Skipped) -> None:
    """Makes a module compute something else, until :func:`uninstall`."""
    module.__dict__["forward"] = forward


def uninstall(module: nn.Module) -> None:
    """Gives a module its own ``forward`` back."""
    forward = module.__dict__.get("forward")
    if isinstance(forward, Narrowed | Skipped):
        del module.__dict__["forward"]
        if forward.inner is not None:
            module.__dict__["forward"] = forward.inner

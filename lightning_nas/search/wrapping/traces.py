"""Extra passes through a user's module leave nothing behind: buffers, metrics, queues and counters are put back."""

from __future__ import annotations

import contextlib
import functools
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from lightning_nas.search.lightning.families import LightningModule

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size})

_FOREIGN = {
    *(
        "torch",
        "pytorch_lightning",
        "lightning",
        "lightning_fabric",
        "lightning_utilities",
        "optuna",
        "omegaconf",
        "hydra",
    ),
    *("wandb", "mlflow", "tensorboard", "comet_ml", "neptune", "clearml", "matplotlib", "logging"),
    *(
        "threading",
        "_thread",
        "multiprocessing",
        "concurrent",
        "asyncio",
        "queue",
        "weakref",
        "functools",
        "io",
        "builtins",
    ),
}
"""Packages whose objects are kept as they are: what these hold is no state of the user's module."""

_STATELESS = ("torch.nn.modules.", "lightning_nas.ops.", "lightning_nas.spaces.", "lightning_nas.networks.")
"""Modules that keep nothing but parameters and buffers from one pass to the next."""

_INTERNAL = frozenset(vars(LightningModule())) | {"log"}
"""Attributes of modules that belong to PyTorch and Lightning."""

_LONG = 1000
"""Elements of longer containers are not looked into: that would take longer than the step itself."""


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """What passes through a module change inside is put back afterwards, whatever happens.

    Put back are parameters, buffers (running statistics too), modes, the states of torchmetrics, and the attributes of the
    module and of its parts: numbers, tensors, arrays, lists, dictionaries, sets, queues, generators of random numbers, and
    what objects of the user's own classes hold. Attributes that are new are removed. Modules in plain lists, where some keep
    an EMA teacher, belong to it.

    Not put back is what lies elsewhere: files, global variables, what a logger was told, the global random numbers, data
    sets and optimizers, attributes in ``__slots__``, parts that are registered inside, and what changes within the elements
    of a container of more than 1000.

    Args:
        model: The module.
    """
    state = _State(model)
    try:
        yield
    finally:
        state.put_back()


class _State:
    """Everything that a module holds, by identity, and how to put it back."""

    def __init__(self, model: nn.Module) -> None:
        self._seen: dict[int, Any] = {}  # kept alive for as long as their identities count
        self._undo: list[Callable[[], object]] = []
        self._modes: list[tuple[nn.Module, bool]] = []
        self._groups: dict[Any, list[Tensor]] = {}  # by device and type, so that many are copied at a time
        self._visit_modules(model)
        with torch.no_grad():
            self._copies = {key: [torch.empty_like(tensor) for tensor in group] for key, group in self._groups.items()}
            for key, group in self._groups.items():
                torch._foreach_copy_(self._copies[key], group)

    def put_back(self) -> None:
        for undo in self._undo:
            undo()
        for module, training in self._modes:
            module.__dict__["training"] = training
        with torch.no_grad():
            for key, group in self._groups.items():
                for tensor, copy in zip(group, self._copies[key], strict=True):
                    if tensor.shape != copy.shape:
                        tensor.data = torch.empty_like(copy)
                torch._foreach_copy_(group, self._copies[key])

    def _visit_modules(self, root: nn.Module) -> None:
        waiting: list[nn.Module | None] = [root]
        while waiting:  # some thousands of them in a supernet: `modules()` would take longer
            module = waiting.pop()
            if module is None or id(module) in self._seen:
                continue
            self._seen[id(module)] = module
            waiting.extend(module._modules.values())
            self._modes.append((module, module.training))
            for parameter in module._parameters.values():
                if parameter is not None:
                    self._add(parameter)
            if module._buffers:
                self._undo.append(_restored_dict(module._buffers))
                for tensor in module._buffers.values():
                    if tensor is not None and tensor.grad_fn is None:
                        self._add(tensor)
            if type(module) is nn.Module or not type(module).__module__.startswith(_STATELESS):
                self._visit_attributes(module.__dict__, long_lists=isinstance(module, Metric))

    def _visit_attributes(self, attributes: dict[str, Any], *, long_lists: bool = False) -> None:
        kept = {name: value for name, value in attributes.items() if name not in _INTERNAL}
        self._undo.append(functools.partial(_put_back_attributes, attributes, kept))
        for value in kept.values():
            if long_lists and isinstance(value, list):  # metrics append to them and change no tensor that they hold
                self._undo.append(_restored_list(value))
            else:
                self._visit(value)

    def _visit(self, value: Any) -> None:
        if type(value) in _PLAIN or id(value) in self._seen:
            return
        if isinstance(value, nn.Module):
            self._visit_modules(value)
            return
        if isinstance(value, Tensor):
            if _can_be_copied(value):
                self._add(value)
            return
        self._seen[id(value)] = value
        if (restored := _restored(value)) is not None:
            self._undo.append(restored)
        elif not isinstance(value, tuple) and not _is_foreign(type(value)) and hasattr(value, "__dict__"):
            self._visit_attributes(vars(value))
        if isinstance(value, dict | list | tuple | deque) and len(value) <= _LONG:
            for element in value.values() if isinstance(value, dict) else value:
                self._visit(element)

    def _add(self, tensor: Tensor) -> None:
        if id(tensor) not in self._seen:
            self._seen[id(tensor)] = tensor
            self._groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)


def _can_be_copied(tensor: Tensor) -> bool:
    """Not results that a graph holds, nor several elements in one place."""
    return tensor.grad_fn is None and not tensor.is_inference() and not (0 in tensor.stride() and tensor.numel() > 1)


def _is_foreign(kind: type) -> bool:
    return any(base.__module__.partition(".")[0] in _FOREIGN for base in kind.__mro__ if base is not object)


def _restored(value: Any) -> Callable[[], object] | None:
    """How to put a value back that can be changed in place; None if it is of no kind that is known."""
    if isinstance(value, list):
        return _restored_list(value)
    if isinstance(value, dict):
        return _restored_dict(value)
    if isinstance(value, deque | set):
        return functools.partial(_refill, value, list(value))
    if isinstance(value, np.ndarray):
        return functools.partial(np.copyto, value, value.copy())
    if isinstance(value, torch.Generator):
        return functools.partial(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return functools.partial(value.setstate, value.getstate())
    if isinstance(value, np.random.Generator):
        return functools.partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return functools.partial(value.set_state, value.get_state())
    return None


def _restored_list(value: list[Any]) -> Callable[[], None]:
    return functools.partial(value.__setitem__, slice(None), list(value))


def _restored_dict(value: dict[Any, Any]) -> Callable[[], None]:
    return functools.partial(_put_back_items, value, dict(value))


def _put_back_items(value: dict[Any, Any], kept: dict[Any, Any]) -> None:
    same = len(value) == len(kept) and all(name in value and value[name] is item for name, item in kept.items())
    if not same:
        value.clear()
        value.update(kept)


def _put_back_attributes(attributes: dict[str, Any], kept: dict[str, Any]) -> None:
    for name in [name for name in attributes if name not in kept and name not in _INTERNAL]:
        del attributes[name]
    attributes.update(kept)


def _refill(value: Any, kept: list[Any]) -> None:
    value.clear()
    for element in kept:
        (value.append if isinstance(value, deque) else value.add)(element)

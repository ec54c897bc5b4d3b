"""A pickle module for ``torch.load`` that restores tensors and containers, and nothing else.

Checkpoints often hold objects beside the tensors: hyperparameters, instances of classes that are not installed here. A
pickle names them, and the usual reader imports and calls what is named: that is how a file from a stranger runs code. Here
no name is looked up. The few that stand for tensors are answered by functions of this file, every other one by
:class:`Ignored`, which takes whatever the pickle does to it and does nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Ignored(dict[Any, Any]):
    """Stands for any object that is no tensor. Mappings keep their items, everything else is empty."""

    dump_patches = False  # asked of the classes that files before PyTorch 1.6 name

    def __init__(self, /, *arguments: object, **named: object) -> None:
        super().__init__()

    def __call__(self, /, *arguments: object, **named: object) -> Ignored:
        """What a call would have given is ignored, too."""
        return Ignored()

    def __setstate__(self, state: object) -> None:
        """Attributes are not set."""

    def append(self, value: object) -> None:
        """Items of a list are not kept."""

    def extend(self, values: object) -> None:
        """Items of a list are not kept."""

    def add(self, value: object) -> None:
        """Items of a set are not kept."""

    def update(self, /, *arguments: object, **named: object) -> None:
        """Items of a set are not kept."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Ordered(Ignored):
    """Stands for ``OrderedDict``, which pickles of Python 2 call with its items."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__()
        for key, value in items:
            self[key] = value


class Rebuild:
    """Stands for a function that makes a tensor; the pickle can call it, but not change it."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        """The tensor."""
        return self.function(*arguments)

    def __setstate__(self, state: object) -> None:
        """Attributes are not set."""


def rebuild_tensor(storage: Any, offset: int, size: Iterable[int], stride: Iterable[int], *rest: object) -> Tensor:
    """A view of a storage; whether it has a gradient, hooks and metadata are left out.

    Raises:
        UnpicklingError: If there is no storage.
    """
    if not isinstance(storage, torch.TypedStorage):
        raise pickle.UnpicklingError(f"a tensor needs a storage, got {type(storage).__name__}")
    return torch.empty(0, dtype=storage.dtype).set_(storage, offset, tuple(size), tuple(stride))


def rebuild_parameter(tensor: object, *rest: object) -> object:
    """A parameter is the tensor that it holds."""
    return tensor


def rebuild_subclass(rebuild: object, kind: object, arguments: Iterable[Any], state: object) -> object:
    """A tensor of a subclass becomes a plain one."""
    return rebuild(*arguments) if isinstance(rebuild, Rebuild) else Ignored()


REBUILDS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): rebuild_subclass,
}


class Unpickler(pickle.Unpickler):
    """The reader; ``torch.load`` derives its own from it, which adds the storages."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name. Nothing is imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return Ordered
        function = REBUILDS.get((module, name))
        return Ignored if function is None else Rebuild(function)


def load(file: Any, **options: Any) -> Any:
    """Reads one pickle, as ``pickle.load`` does."""
    return Unpickler(file, **options).load()

"""What a piece of PyTorch code costs: operator calls, memory of live tensors, memory kept for the backward pass."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class OperatorMeter(TorchDispatchMode):
    """Counts operator calls and follows the memory of the tensors that they return, while entered.

    Works for what runs on a CPU, backward passes included; the threads in which a GPU's backward pass runs are not seen.

    Attributes:
        calls: Operators called, views included.
        live: Bytes of storages made inside that are still alive.
        peak: The most that ``live`` has been.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                key = tensor.untyped_storage()._cdata
                if key not in before and key not in self._known:
                    self._follow(tensor.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def saved_bytes(forward: Callable[[], Tensor], parameters: Iterable[Tensor]) -> int:
    """Memory that a forward pass keeps for its backward pass, parameters left out.

    Args:
        forward: The pass; its result is dropped.
        parameters: Tensors that live anyway.

    Returns:
        Bytes; a storage that is saved several times counts once.
    """
    owned = {p.untyped_storage()._cdata for p in parameters}
    sizes: dict[int, int] = {}
    kept: list[Tensor] = []  # keeps addresses from being used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in owned:
            sizes[storage._cdata] = storage.nbytes()
            kept.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(sizes.values())

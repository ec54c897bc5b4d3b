"""Size, work and time of a forward pass: what a report says of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_nas.cost.latency import Latency
from lightning_nas.cost.macs import macs_of_call
from lightning_nas.cost.probe import Call


@dataclass(frozen=True)
class Cost:
    """What one image costs.

    Args:
        parameters: Number of parameters.
        macs: Multiply-adds, see :func:`~lightning_nas.cost.macs.macs_of_call`.
        latency: Measured time; None where it was not measured.
    """

    parameters: int
    macs: int
    latency: Latency | None = None

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Cost:
        """What ``dataclasses.asdict`` has made of one."""
        latency = record.get("latency")
        return cls(int(record["parameters"]), int(record["macs"]), None if latency is None else Latency(**latency))


def cost_of_call(module: nn.Module, call: Call) -> Cost:
    """Multiply-adds of a forward pass, and the parameters that it reads; those that only training needs do not count.

    Args:
        module: Any module, e.g. a task with an auxiliary head.
        call: What its forward pass is given.

    Raises:
        ValueError: As :func:`~lightning_nas.cost.macs.macs_of_call`.
    """
    with _Reads() as reads:
        macs = macs_of_call(module, call)
    return Cost(sum(p.numel() for p in module.parameters() if reads.has(p)), macs)


class _Reads(TorchDispatchMode):
    """Remembers which memory operators read: a parameter may be handed over as it is, as a view or in a list."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self._addresses: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self._addresses |= {_address(tensor) for tensor in _tensors([*args, *kwargs.values()])}
        return func(*args, **kwargs)

    def has(self, parameter: Tensor) -> bool:
        """Whether one of its elements, or one beside it in the same memory, was read."""
        return _address(parameter) in self._addresses


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor) and value.layout is torch.strided:
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()

"""Multiply-adds of a network: convolutions and linear layers, nothing else, as papers of this field count "FLOPs"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lightning_nas.cost.probe import evaluating, probe_input

_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
_TRANSPOSED = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)


class _Counter(TorchFunctionMode):
    """Adds up the multiply-adds of the calls that pass through it.

    Calls are watched rather than modules: a convolution counts whether a ``Conv2d`` or a functional call (as in the
    fast supernet, which runs the candidates of several edges together) computes it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _CONVOLUTIONS or func is nn.functional.linear:
            # An output element is one inner product over weight[0]: C_in / groups * kh * kw, or in_features.
            self.total += result.numel() * _argument(args, kwargs, 1, "weight")[0].numel()
        elif func in _TRANSPOSED:
            # Every input element is spread over weight[0]: C_out / groups * kh * kw.
            self.total += _argument(args, kwargs, 0, "input").numel() * _argument(args, kwargs, 1, "weight")[0].numel()
        return result


def count_macs(module: nn.Module, input_size: Sequence[int]) -> int:
    """Multiply-adds of one image's forward pass: convolutions ``out * C_in / groups * kh * kw``, linear ``in * out``.

    Normalisation, activations, poolings, additions and biases do not count. The module is run once in evaluation mode;
    its modes and statistics are as before afterwards.

    Args:
        module: Maps ``(1, C, H, W)`` to anything.
        input_size: ``(C, H, W)``.

    Raises:
        ValueError: If ``input_size`` has another form, or the module is a TorchScript one, whose calls are not visible.

    Example:
        >>> count_macs(nn.Conv2d(3, 8, 3, padding=1), (3, 10, 10)) == 10 * 10 * 8 * 3 * 3 * 3
        True
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise ValueError(f"module must be an ordinary module, not TorchScript, got {type(module).__name__}")
    x = probe_input(module, input_size)
    with evaluating(module), _Counter() as counter:
        module(x)
    return counter.total


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, name: str) -> Tensor:
    value: Tensor = args[position] if len(args) > position else kwargs[name]
    return value

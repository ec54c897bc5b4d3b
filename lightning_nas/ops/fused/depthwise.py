"""Depthwise convolutions in the forms in which they are fast: channels-last, not dilated, narrow weight gradients.

What was measured on a CPU (torch 2.15, oneDNN, 16 channels, 32x32): dilated kernels are 5 to 10 times slower backward than
others, and the weight gradient of a kernel wider than 3 is 10 times slower than that of one of width 3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NARROW = 3
"""Width up to which the weight gradient on a CPU is fast."""


def refuse_double_backward() -> None:
    """Stops a backward pass that builds a graph: the hand-written backward passes cannot be differentiated again.

    Raises:
        RuntimeError: Always, if called where gradients are recorded.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(
            "the fused form of the supernet has no second derivative (create_graph=True); "
            "compute in the textbook form: supernet.set_form('textbook')"
        )


def to_phases(x: Tensor) -> Tensor:
    """The four maps of every second row and column, stacked: ``(B, C, H, W) -> (4B, C, H/2, W/2)``, channels-last.

    A convolution with dilation 2 and stride 1 on ``x`` is an ordinary one on each of the four.
    """
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    rows = rows.permute(0, 2, 4, 1, 3, 5).reshape(4 * batch, height // 2, width // 2, channels)
    return rows.permute(0, 3, 1, 2)


def from_phases(x: Tensor) -> Tensor:
    """The inverse of :func:`to_phases`: ``(4B, C, H, W) -> (B, C, 2H, 2W)``, channels-last."""
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch // 4, 2, 2, height, width, channels)
    rows = rows.permute(0, 3, 1, 4, 2, 5).reshape(batch // 4, 2 * height, 2 * width, channels)
    return rows.permute(0, 3, 1, 2)


def depthwise(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """A depthwise convolution that keeps the size at stride 1; differentiable once.

    Args:
        x: ``(B, C, H, W)``, best channels-last.
        weight: ``(C, 1, k, k)``, k odd.
        stride: Stride.
        dilation: Dilation.

    Returns:
        ``(B, C, ceil(H/stride), ceil(W/stride))``.
    """
    out: Tensor = _Depthwise.apply(x, weight, stride, dilation)
    return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.dilation = stride, dilation
        return convolve(x, weight, stride, dilation)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        refuse_double_backward()
        x, weight = ctx.saved_tensors
        needs_x, needs_weight = ctx.needs_input_grad[:2]
        grad = grads[0]
        return *gradients(grad, x, weight, ctx.stride, ctx.dilation, needs_x, needs_weight), None, None


def convolve(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """The convolution of :func:`depthwise`, by the library."""
    padding = dilation * (weight.shape[-1] - 1) // 2
    return torch.conv2d(x, weight, None, stride, padding, dilation, weight.shape[0])


def gradients(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int, needs_x: bool, needs_weight: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`convolve` with respect to its input and its weight, None where not needed."""
    grad = grad.contiguous(memory_format=torch.channels_last)
    split = needs_weight and _splits(grad, weight, stride, dilation)
    by_x, by_weight = None, None
    if needs_x or (needs_weight and not split):
        by_x, by_weight = _library_gradients(
            grad,
            x,
            weight,
            stride,
            dilation * (weight.shape[-1] - 1) // 2,
            dilation,
            needs_x,
            needs_weight and not split,
        )
    if split:
        by_weight = _weight_gradient_in_columns(grad, x, weight)
    return by_x, by_weight


def _splits(grad: Tensor, weight: Tensor, stride: int, dilation: int) -> bool:
    plain = stride == 1 and dilation == 1 and weight.shape[-1] > NARROW
    return plain and grad.device.type == "cpu" and grad.dtype == torch.float32


def _weight_gradient_in_columns(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The weight gradient of a wide kernel, three columns at a time.

    Column ``s + c`` of the kernel sees ``x[w + s + c - p]``. A kernel of width 3 with padding ``p`` and an output that
    is wider by ``2p - 2`` sees ``x[o + c - p]``: with the gradient at ``o = w + s`` and zeros elsewhere, the same.
    """
    channels, _, height, width = weight.shape
    padding = width // 2
    narrow = weight[..., :NARROW]
    out = torch.empty_like(weight)
    for start in (*range(0, width - NARROW, NARROW), width - NARROW):
        shifted = torch.nn.functional.pad(grad, (start, 2 * padding - 2 - start))
        out[..., start : start + NARROW] = torch.ops.aten.convolution_backward(
            shifted,
            x,
            narrow,
            None,
            [1, 1],
            [height // 2, padding],
            [1, 1],
            False,
            [0, 0],
            channels,
            [False, True, False],
        )[1]
    return out


def _library_gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: int,
    dilation: int,
    needs_x: bool,
    needs_weight: bool,
) -> tuple[Tensor | None, Tensor | None]:
    found = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        [stride, stride],
        [padding, padding],
        [dilation, dilation],
        False,
        [0, 0],
        weight.shape[0],
        [needs_x, needs_weight, False],
    )
    return found[0], found[1]

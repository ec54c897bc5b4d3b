"""TensorFlow's padding, which networks need whose weights were trained with it (EfficientNet, EfficientNet-Lite)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


def pad_same(x: Tensor, kernel: int, stride: int, dilation: int = 1) -> Tensor:
    """Pads ``(B, C, H, W)`` with zeros so that a convolution gives ``ceil(size / stride)`` rows and columns.

    Where the total is odd, the end gets one more than the beginning.
    """
    height, width = (max((-(-s // stride) - 1) * stride + (kernel - 1) * dilation + 1 - s, 0) for s in x.shape[-2:])
    if not height and not width:
        return x
    return functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding: ``ceil(size / stride)`` outputs, the odd pixel at the end.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        stride: Stride in both directions.
        arguments: The others of ``torch.nn.Conv2d``, without ``padding``.

    Example:
        >>> import torch
        >>> tuple(SameConv2d(3, 8, 3, 2)(torch.zeros(1, 3, 7, 8)).shape)
        (1, 8, 4, 4)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, **arguments: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=0, **arguments)

    def forward(self, input: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))``."""
        return super().forward(pad_same(input, self.kernel_size[0], self.stride[0], self.dilation[0]))

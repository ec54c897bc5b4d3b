"""1x1 convolutions with a stride.

On CPUs the gradient of such a convolution writes beyond its memory if it has fewer than 16 input channels and maps of 48 pixels
or more that lie channels-last (oneDNN of PyTorch 2.15, AVX-512; not seen with maps of 32 pixels, or with 16 channels). What
follows is a crash somewhere else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SAFE = 16
"""Input channels from which the library's own convolution writes where it should."""


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution that first picks the pixels that its stride leaves: same parameters and values as ``nn.Conv2d``.

    For ``torch.export``, which writes ONNX files, it is ``nn.Conv2d``; TorchScript keeps the picking.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Every so many rows and columns are read.
        bias: Whether to add one.

    Example:
        >>> import torch
        >>> conv = PointwiseConv2d(4, 6, stride=2)
        >>> x = torch.randn(1, 4, 7, 8)
        >>> torch.allclose(conv(x), torch.conv2d(x, conv.weight, conv.bias, stride=2), atol=1e-6)
        True
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, stride, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        if self.in_channels < SAFE and not torch.compiler.is_exporting():
            down, right = self.stride
            return nn.functional.conv2d(input[..., ::down, ::right], self.weight, self.bias)
        return super().forward(input)


def padded_conv(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution with an odd kernel that keeps the size at stride 1; :class:`PointwiseConv2d` where that is one.

    Example:
        >>> [type(padded_conv(4, 4, kernel, 2)).__name__ for kernel in (1, 3)]
        ['PointwiseConv2d', 'Conv2d']
    """
    if kernel_size == 1 and stride > 1 and groups == 1:
        return PointwiseConv2d(in_channels, out_channels, stride, bias=bias)
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=bias)


def bears_channels_last(module: nn.Module) -> bool:
    """Whether none of a module's convolutions is one whose gradient goes wrong channels-last on a CPU.

    Example:
        >>> bears_channels_last(nn.Conv2d(8, 8, 1, stride=2)), bears_channels_last(nn.Conv2d(16, 8, 1, stride=2))
        (False, True)
    """
    return not any(
        isinstance(part, nn.Conv2d)
        and not isinstance(part, PointwiseConv2d)
        and part.kernel_size == (1, 1)
        and part.stride != (1, 1)
        and part.in_channels // part.groups < SAFE
        for part in module.modules()
    )

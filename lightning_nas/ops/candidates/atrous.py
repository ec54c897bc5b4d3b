"""Full (not depthwise) atrous convolutions: the candidates of Auto-DeepLab (Liu et al. 2019, arXiv 1901.02985)."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.resize import resize
from lightning_nas.ops.registry import op


class AtrousConv(nn.Module):
    """ReLU, full ``k x k`` convolution with rate 2, BatchNorm.

    With stride 2 the map is halved by bilinear interpolation and the rate is 1: the same pixels are looked at.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        stride: 1 or 2.
        affine: Whether BatchNorm has a learnable scale and shift.

    Raises:
        ValueError: If the stride is neither 1 nor 2.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, affine: bool = True
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ArgumentError(f"stride must be 1 or 2, got {stride}")
        self.stride = stride
        rate = 1 if stride == 2 else 2
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=rate * (kernel_size // 2), dilation=rate, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        if self.stride == 2:
            height, width = x.shape[-2:]
            x = resize(x, ((height + 1) // 2, (width + 1) // 2))
        out: Tensor = self.norm(self.conv(self.relu(x)))
        return out


@op("atrous_conv_3x3")
def atrous_conv_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """Full 3x3 convolution with rate 2."""
    return AtrousConv(in_channels, out_channels, 3, stride, affine=affine)


@op("atrous_conv_5x5")
def atrous_conv_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """Full 5x5 convolution with rate 2."""
    return AtrousConv(in_channels, out_channels, 5, stride, affine=affine)

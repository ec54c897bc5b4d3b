"""Inverted residual blocks: the MobileNet family (Sandler et al. 2018, arXiv 1801.04381).

Registered as ``mbconv_k{kernel}_e{expansion}``: the candidates of ProxylessNAS (Cai et al. 2019, arXiv 1812.00332) and,
with expansion 1, of FBNet (Wu et al. 2019, arXiv 1812.03443).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.ops.layers.pointwise import padded_conv
from lightning_nas.ops.registry import OpBuilder, op

KERNELS = (3, 5, 7)
EXPANSIONS = (1, 3, 6)


class InvertedResidual(Recomputable):
    """1x1 expansion, depthwise ``k x k``, linear 1x1 projection, each with BatchNorm; a shortcut where shapes allow.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the depthwise kernel; odd.
        stride: Stride of the depthwise convolution.
        expansion: Channels inside, as a multiple of ``in_channels``; with 1 there is no expanding convolution.
        affine: Whether BatchNorm has a learnable scale and shift.

    Raises:
        ValueError: If the kernel is even or the expansion is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        expansion: int = 6,
        affine: bool = True,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ArgumentError(f"kernel_size must be odd and positive, got {kernel_size}")
        if expansion < 1:
            raise ArgumentError(f"expansion must be at least 1, got {expansion}")
        hidden = in_channels * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion != 1:
            layers["expand"] = conv_bn(in_channels, hidden, 1, affine=affine)
        layers["depthwise"] = conv_bn(hidden, hidden, kernel_size, stride, groups=hidden, affine=affine)
        layers["project"] = conv_bn(hidden, out_channels, 1, activation=False, affine=affine)
        self.layers = nn.Sequential(layers)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        out: Tensor = self.maybe_recomputed(self.layers, x)
        return x + out if self.shortcut else out


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: bool = True,
    affine: bool = True,
) -> nn.Sequential:
    """Convolution, BatchNorm and, if asked for, ReLU6."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = padded_conv(in_channels, out_channels, kernel_size, stride, groups=groups)
    layers["norm"] = nn.BatchNorm2d(out_channels, affine=affine)
    if activation:
        layers["relu"] = nn.ReLU6()
    return nn.Sequential(layers)


def _builder(kernel_size: int, expansion: int) -> OpBuilder:
    def build(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
        return InvertedResidual(in_channels, out_channels, kernel_size, stride, expansion=expansion, affine=affine)

    return build


@op("projection")
def projection(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """The identity; where shapes differ a linear 1x1 convolution with BatchNorm."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_bn(in_channels, out_channels, 1, stride, activation=False, affine=affine)


for _kernel in KERNELS:
    for _expansion in EXPANSIONS:
        op(f"mbconv_k{_kernel}_e{_expansion}")(_builder(_kernel, _expansion))

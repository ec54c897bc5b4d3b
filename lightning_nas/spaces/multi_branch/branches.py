"""What a branch of a multi-branch block can be.

Sources: Szegedy et al. 2015, arXiv 1409.4842 (parallel kernels, pooling with a projection), and 2016, arXiv 1512.00567 (two
3x3 for a 5x5, 1x7 and 7x1 for a 7x7); Xie et al. 2017, arXiv 1611.05431 (grouped convolutions between 1x1 convolutions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.pointwise import padded_conv
from lightning_nas.spaces.multi_branch.space import BRANCH_OPS

Size = tuple[int, int]


def conv_bn_relu(
    in_channels: int, out_channels: int, kernel: Size = (1, 1), stride: Size = (1, 1), groups: int = 1, *, affine: bool
) -> list[nn.Module]:
    """Convolution that keeps the size at stride 1, BatchNorm, ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    square = kernel[0] == kernel[1] and stride[0] == stride[1]
    return [
        padded_conv(in_channels, out_channels, kernel[0], stride[0], groups=groups)
        if square
        else nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
        nn.ReLU(),
    ]


def build_branch(
    name: str, in_channels: int, channels: int, stride: int, cardinality: int, *, affine: bool = True
) -> nn.Sequential:
    """One branch, ``(B, in_channels, H, W) -> (B, channels, ceil(H/stride), ceil(W/stride))``.

    But for ``conv_1x1`` and ``pool_1x1`` a 1x1 convolution comes first. The stride is that of the last kernel.

    Args:
        name: One of :data:`BRANCH_OPS`.
        in_channels: Channels of the block's input.
        channels: Channels inside the branch.
        stride: Stride of the block.
        cardinality: Groups of the convolutions, where the branch is one of :data:`GROUPED`.
        affine: Whether BatchNorm has a learnable scale and shift.

    Raises:
        ValueError: If there is no such branch.
    """
    step, one = (stride, stride), (1, 1)

    def reduced(*kernels: tuple[Size, Size], groups: int) -> list[nn.Module]:
        layers = conv_bn_relu(in_channels, channels, affine=affine)
        for kernel, own in kernels:
            layers += conv_bn_relu(channels, channels, kernel, own, groups, affine=affine)
        return layers

    builders: dict[str, Callable[[], Sequence[nn.Module]]] = {
        "conv_1x1": lambda: conv_bn_relu(in_channels, channels, one, step, affine=affine),
        "conv_3x3": lambda: reduced(((3, 3), step), groups=cardinality),
        "conv_3x3_3x3": lambda: reduced(((3, 3), one), ((3, 3), step), groups=cardinality),
        "conv_1x7_7x1": lambda: reduced(((1, 7), (1, stride)), ((7, 1), (stride, 1)), groups=cardinality),
        "depthwise_3x3": lambda: reduced(((3, 3), step), groups=channels),
        "depthwise_5x5": lambda: reduced(((5, 5), step), groups=channels),
        "pool_1x1": lambda: [
            nn.MaxPool2d(3, stride, padding=1),
            *conv_bn_relu(in_channels, channels, affine=affine),
        ],
    }
    if name not in builders:
        raise ArgumentError(f"unknown branch {name!r}; known are {list(BRANCH_OPS)}")
    return nn.Sequential(*builders[name]())

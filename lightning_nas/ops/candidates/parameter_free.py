"""Candidates without convolutions at stride 1: zero, identity, pooling."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.convolutions import FactorizedReduce, ReLUConvBN
from lightning_nas.ops.registry import op

PARAMETER_FREE = ("none", "skip_connect", "max_pool_3x3", "avg_pool_3x3", "max_pool_5x5", "max_pool_7x7")
"""Operations that learn nothing; a cell made of them has collapsed."""


class Zero(nn.Module):
    """The absent connection: zeros of the size that the stride gives."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        batch, _, height, width = x.shape
        size = (batch, self.out_channels, -(-height // self.stride), -(-width // self.stride))
        return x.new_zeros(size)

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}"


@op("none")
def none(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """No connection."""
    return Zero(in_channels, out_channels, stride)


@op("skip_connect")
def skip_connect(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """Identity; with a stride a factorized reduction; with other channels a 1x1 ReLU-conv-BN."""
    if stride == 2:
        return FactorizedReduce(in_channels, out_channels, affine=affine)
    if stride != 1:
        raise ArgumentError(f"skip_connect has stride 1 or 2, got {stride}")
    if in_channels == out_channels:
        return nn.Identity()
    return ReLUConvBN(in_channels, out_channels, affine=affine)


@op("max_pool_3x3")
def max_pool_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 max pooling."""
    return _pool(nn.MaxPool2d(3, stride, padding=1), in_channels, out_channels, affine=affine)


@op("avg_pool_3x3")
def avg_pool_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 average pooling; pixels outside the map do not count."""
    pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    return _pool(pool, in_channels, out_channels, affine=affine)


def _pool(pool: nn.Module, in_channels: int, out_channels: int, *, affine: bool) -> nn.Module:
    if in_channels == out_channels:
        return pool
    return nn.Sequential(ReLUConvBN(in_channels, out_channels, affine=affine), pool)

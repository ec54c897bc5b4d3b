"""The operations that came with NASNet and ENAS, against formulas."""

import pytest
import torch
from torch import nn

from lightning_nas.ops import build_op

C, K = 6, 10


def parameters(name, c_in=C, c_out=C):
    return sum(p.numel() for p in build_op(name, c_in, c_out).parameters())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv_3x1_1x3", 3 * C * K + 3 * K * K + 2 * K),
        ("max_pool_5x5", C * K + 2 * K),
        ("max_pool_7x7", C * K + 2 * K),
        ("enas_conv_3x3", C * K + 9 * K * K + 4 * K),
        ("enas_conv_5x5", C * K + 25 * K * K + 4 * K),
        ("enas_sep_conv_3x3", C * K + 9 * K + K * K + 4 * K),
        ("enas_sep_conv_5x5", C * K + 25 * K + K * K + 4 * K),
        ("enas_avg_pool_3x3", C * K + 2 * K),
        ("enas_max_pool_3x3", C * K + 2 * K),
    ],
)
def test_numbers_of_parameters(name, expected):
    assert parameters(name, C, K) == expected


def test_poolings_learn_nothing_at_equal_channels():
    assert parameters("max_pool_5x5") == parameters("max_pool_7x7") == 0


@pytest.mark.parametrize("size", [5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_large_poolings_take_the_maximum_of_their_window(size, stride):
    x = torch.randn(1, 1, 9, 8)
    found = build_op(f"max_pool_{size}x{size}", 1, 1, stride=stride)(x)[0, 0]
    half = size // 2
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            rows = slice(max(0, i * stride - half), i * stride + half + 1)
            columns = slice(max(0, j * stride - half), j * stride + half + 1)
            assert found[i, j] == x[0, 0, rows, columns].max()


def test_two_thin_convolutions_are_one_of_rank_one():
    op = build_op("conv_3x1_1x3", 1, 1, stride=2).double().eval()
    _, row, column, _ = op
    kernel = column.weight[0, 0] @ row.weight[0, 0]  # (3, 1) times (1, 3)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    expected = nn.functional.conv2d(x.relu(), kernel[None, None], stride=2, padding=1) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(op(x), expected)


def test_layers_of_enas_are_post_activation():
    """1x1 convolution, BatchNorm, ReLU, then the operation; that of a convolution ends in BatchNorm and ReLU."""
    x = torch.randn(2, C, 6, 6)
    conv, norm, _, spatial, last, _ = build_op("enas_conv_3x3", C, C).eval()
    torch.manual_seed(0)
    for part in (norm, last):
        nn.init.normal_(part.bias)
    op = nn.Sequential(conv, norm, nn.ReLU(), spatial, last, nn.ReLU()).eval()
    expected = last(spatial(norm(conv(x)).clamp(min=0))).clamp(min=0)
    torch.testing.assert_close(op(x), expected)
    assert (expected == 0).any()
    pooled = build_op("enas_avg_pool_3x3", C, C).eval()
    first = pooled[1](pooled[0](x)).clamp(min=0)
    torch.testing.assert_close(pooled(x)[0, :, 0, 0], first[0, :, :2, :2].mean(dim=(1, 2)))

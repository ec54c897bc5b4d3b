"""The operations that came with NASNet, AmoebaNet and ENAS, against formulas."""

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


# ---- the bottlenecks of AmoebaNet ------------------------------------------------------------------------------------

INNER = {  # operation -> share of the channels inside, inner kernels with their strides (height, width), dilation
    "bottleneck_1x3_3x1": ((3, 8), [((1, 3), (1, 2)), ((3, 1), (2, 1))], 1),
    "bottleneck_1x7_7x1": ((1, 4), [((1, 7), (1, 2)), ((7, 1), (2, 1))], 1),
    "bottleneck_3x3": ((1, 4), [((3, 3), (2, 2))], 1),
    "bottleneck_dil_3x3": ((1, 4), [((3, 3), (2, 2))], 2),
}


def convolved(x, weight, strides, dilation):
    """A convolution written out: the sum over the kernel's places. Zeros around the map keep its size."""
    _, _, rows, columns = weight.shape
    up, left = dilation * (rows // 2), dilation * (columns // 2)
    padded = nn.functional.pad(x, (left, left, up, up))
    height, width = (-(-size // stride) for size, stride in zip(x.shape[2:], strides, strict=True))
    total = 0
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, dilation * i :: strides[0], dilation * j :: strides[1]][:, :, :height, :width]
            total = total + torch.einsum("bchw,oc->bohw", window, weight[:, :, i, j])
    return total


def normalised(x, norm):
    shape = (1, -1, 1, 1)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (x - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)


def official(name, x, convs, norms, filters, stride):
    """``_apply_operation`` of the released network_utils.py: every convolution after a ReLU and before a BatchNorm."""
    (share, whole), kernels, dilation = INNER[name]
    inside = int(share * filters / whole)
    plan = [(kernel, strides if stride == 2 else (1, 1), dilation) for kernel, strides in kernels]
    widths = [filters] * len(plan)
    if inside >= 1:
        plan = [((1, 1), (1, 1), 1), *plan, ((1, 1), (1, 1), 1)]
        widths = [inside] * (len(plan) - 1) + [filters]
    assert [tuple(w.shape) for w in convs] == [
        (out, into, *kernel) for into, out, (kernel, *_) in zip([x.shape[1], *widths], widths, plan, strict=False)
    ]
    for weight, norm, (_, strides, rate) in zip(convs, norms, plan, strict=True):
        x = normalised(convolved(x.clamp(min=0), weight, strides, rate), norm)
    return x


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("channels", "filters"), [(8, 8), (6, 16), (4, 3), (2, 2)])
def test_bottlenecks_compute_what_the_released_code_does(name, stride, channels, filters):
    torch.manual_seed(0)
    op = build_op(name, channels, filters, stride=stride).double().eval()
    convs = [m.weight for m in op.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in op.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(2, channels, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(op(x), official(name, x, convs, norms, filters, stride))
    assert all(conv.bias is None for conv in op.modules() if isinstance(conv, nn.Conv2d))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bottleneck_1x3_3x1", 8 * 6 + 2 * 6 + 2 * (3 * 6 * 6 + 2 * 6) + 6 * 16 + 2 * 16),
        ("bottleneck_1x7_7x1", 8 * 4 + 2 * 4 + 2 * (7 * 4 * 4 + 2 * 4) + 4 * 16 + 2 * 16),
        ("bottleneck_3x3", 8 * 4 + 2 * 4 + (9 * 4 * 4 + 2 * 4) + 4 * 16 + 2 * 16),
        ("bottleneck_dil_3x3", 8 * 4 + 2 * 4 + (9 * 4 * 4 + 2 * 4) + 4 * 16 + 2 * 16),
    ],
)
def test_sizes_of_bottlenecks(name, expected):
    assert parameters(name, 8, 16) == expected


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

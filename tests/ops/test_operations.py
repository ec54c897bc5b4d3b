"""Single operations against formulas and hand-worked cases; the registry."""

import pytest
import torch
from torch import nn

from lightning_nas.ops import DropPath, FactorizedReduce, Zero, build_op, check_ops, op, op_names
from lightning_nas.ops.candidates.inverted_residual import InvertedResidual
from lightning_nas.ops.mixed import MixedOp

C = 6


def parameters(name, stride=1, c_in=C, c_out=C, affine=True):
    return sum(p.numel() for p in build_op(name, c_in, c_out, stride=stride, affine=affine).parameters())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", 0),
        ("skip_connect", 0),
        ("max_pool_3x3", 0),
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 2 * (9 * C + C * C + 2 * C)),
        ("sep_conv_5x5", 2 * (25 * C + C * C + 2 * C)),
        ("sep_conv_7x7", 2 * (49 * C + C * C + 2 * C)),
        ("dil_conv_3x3", 9 * C + C * C + 2 * C),
        ("dil_conv_5x5", 25 * C + C * C + 2 * C),
        ("conv_7x1_1x7", 14 * C * C + 2 * C),
        ("nor_conv_1x1", C * C + 2 * C),
        ("nor_conv_3x3", 9 * C * C + 2 * C),
        ("mbconv_k3_e1", 9 * C + C * C + 4 * C),
        ("mbconv_k5_e3", (C * 3 * C + 6 * C) + (25 * 3 * C + 6 * C) + (3 * C * C + 2 * C)),
        ("mbconv_k7_e6", (C * 6 * C + 12 * C) + (49 * 6 * C + 12 * C) + (6 * C * C + 2 * C)),
    ],
)
def test_numbers_of_parameters(name, expected):
    assert parameters(name) == expected


def test_skip_with_stride_is_a_factorized_reduction():
    assert isinstance(build_op("skip_connect", C, C), nn.Identity)
    assert isinstance(build_op("skip_connect", C, C, stride=2), FactorizedReduce)
    assert parameters("skip_connect", stride=2) == C * C + 2 * C
    with pytest.raises(ValueError, match="3"):
        build_op("skip_connect", C, C, stride=3)


def test_nasbench_convolutions_swap_scale_for_bias():
    assert parameters("nor_conv_3x3", affine=False) == 9 * C * C + C


def test_factorized_reduction_reads_even_and_odd_pixels():
    module = FactorizedReduce(1, 2).eval()
    with torch.no_grad():
        module.conv1.weight.fill_(1.0)
        module.conv2.weight.fill_(1.0)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    even, odd = module(x)[0] * (1 + module.norm.eps) ** 0.5
    torch.testing.assert_close(even, x[0, 0, ::2, ::2])
    torch.testing.assert_close(odd, x[0, 0, 1::2, 1::2])
    with pytest.raises(ValueError, match="even"):
        FactorizedReduce(4, 3)


def test_average_pooling_ignores_pixels_outside():
    out = build_op("avg_pool_3x3", 1, 1)(torch.ones(1, 1, 4, 4))
    assert torch.equal(out, torch.ones(1, 1, 4, 4))


def test_separable_convolution_equals_its_formula():
    module = build_op("sep_conv_3x3", 2, 2).double().eval()
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    expected = x
    for block in module:
        expected = nn.functional.conv2d(expected.relu(), block.depthwise.weight, padding=1, groups=2)
        expected = nn.functional.conv2d(expected, block.pointwise.weight) / (1 + block.norm.eps) ** 0.5
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(("name", "reach"), [("dil_conv_3x3", 2), ("dil_conv_5x5", 4), ("mbconv_k7_e3", 3)])
def test_receptive_fields(name, reach):
    torch.manual_seed(0)  # with some weights all that is expanded is negative
    module = build_op(name, 1, 1).eval()
    nn.init.ones_(module.get_submodule("depthwise" if "dil" in name else "layers.depthwise.conv").weight)
    x = torch.zeros(1, 1, 15, 15)
    touched = module(x + 0.0)
    x[0, 0, 7, 7] = 1.0
    changed = (module(x) != touched)[0, 0].nonzero()
    if len(changed):
        assert changed.min() == 7 - reach
        assert changed.max() == 7 + reach
    else:  # ReLU behind an unlucky sign hides the pixel: flip it
        changed = (module(-x) != touched)[0, 0].nonzero()
        assert (changed.min(), changed.max()) == (7 - reach, 7 + reach)


def test_inverted_residual_has_a_shortcut_only_where_shapes_allow():
    assert InvertedResidual(4, 4).shortcut
    assert not InvertedResidual(4, 4, stride=2).shortcut
    assert not InvertedResidual(4, 8).shortcut
    block = InvertedResidual(4, 4).eval()
    nn.init.zeros_(block.layers.project.conv.weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("arguments", "named"), [({"kernel_size": 4}, "kernel_size"), ({"expansion": 0}, "expansion")])
def test_inverted_residual_refuses(arguments, named):
    with pytest.raises(ValueError, match=named):
        InvertedResidual(4, 4, **arguments)


def test_mixed_operation_is_the_weighted_sum():
    names = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3")
    module = MixedOp(names, 4, 1).double().eval()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    weights = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    expected = sum(w * candidate(x) for w, candidate in zip(weights, module.candidates, strict=True))
    torch.testing.assert_close(module(x, weights), expected)
    torch.testing.assert_close(module(x, weights, (1, 3)), weights[1] * x + weights[3] * module.candidates[3](x))
    assert module(x, weights, (0,)) is None
    assert module(x, weights, ()) is None


def test_poolings_are_normalised_in_the_mix_unless_told_otherwise():
    assert isinstance(MixedOp(("max_pool_3x3",), 4, 1).candidates[0], nn.Sequential)
    assert isinstance(MixedOp(("max_pool_3x3",), 4, 1, pool_norm=False).candidates[0], nn.MaxPool2d)


def test_zero_has_the_shape_of_its_stride():
    assert Zero(3, 5, 2)(torch.ones(2, 3, 7, 8)).shape == (2, 5, 4, 4)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    module = DropPath(0.25)
    out = module(torch.ones(4000, 2, 1, 1))
    kept = out[:, 0, 0, 0] != 0
    assert torch.equal(out[kept], torch.full_like(out[kept], 1 / 0.75))
    assert torch.equal((out != 0).all(dim=1), (out != 0).any(dim=1))
    assert abs(kept.float().mean() - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5
    x = torch.randn(3, 2, 1, 1)
    assert torch.equal(module.eval()(x), x)
    assert torch.equal(DropPath(0.0)(x), x)


def test_registry_refuses_a_taken_name_and_unknown_ones():
    with pytest.raises(ValueError, match="already registered"):

        @op("skip_connect")
        def impostor(in_channels, out_channels, stride, *, affine=True):
            return nn.Identity()

    with pytest.raises(ValueError, match="no_such_op"):
        build_op("no_such_op", 4, 4)
    for names in ((), ("none", "none"), ("no_such_op",)):
        with pytest.raises(ValueError, match="mine"):
            check_ops(names, "mine")
    assert op_names() == sorted(op_names())
    for family in ("sep_conv_5x5", "nor_conv_3x3", "mbconv_k7_e6"):
        assert family in op_names()

"""The chain space: depth decisions, counts, a known member, decoding."""

import random

import pytest
import torch

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.errors import ArchitectureError
from lightning_nas.ops import build_op
from lightning_nas.ops.layers.dilation import dilate
from lightning_nas.spaces import Chain
from lightning_nas.spaces.chain.space import CHAIN_OPS
from lightning_nas.spaces.option_weights import OptionWeights

SMALL = Chain(
    stem_channels=8, first_channels=4, widths=(6, 8), depths=(3, 1), strides=(2, 2), min_depth=1, head_channels=10
)


def test_mobilenet_v2_is_a_member_of_its_published_size():
    """Sandler et al. 2018: 3,504,872 parameters and 300.8 M multiply-adds with a head of 1,000 classes."""
    space = Chain(
        widths=(24, 32, 64, 96, 160, 320),
        depths=(2, 3, 4, 3, 3, 1),
        strides=(2, 2, 2, 1, 2, 1),
        head_channels=1280,
        min_depth=4,
    )
    network = space.network(dict.fromkeys(space.decisions, "mbconv_k3_e6"))
    assert count_parameters(network) + 1280 * 1000 + 1000 == 3_504_872
    assert round((count_macs(network, (3, 224, 224)) + 1280 * 1000) / 1e6, 1) == 300.8
    assert network.feature_info.reduction() == [2, 4, 8, 16, 32]
    assert network.feature_info.channels() == [16, 24, 32, 96, 1280]


def test_counts():
    nine = tuple(f"mbconv_k{k}_e{e}" for k in (3, 5, 7) for e in (1, 3, 6))
    fixed_depth = {"widths": (24,) * 7, "depths": (3,) * 7, "strides": (2,) + (1,) * 6, "min_depth": 3}
    assert Chain(ops=nine[:7], **fixed_depth).size() == 7**21 == 558_545_864_083_284_007
    assert Chain(widths=(16, 24), depths=(11, 11), strides=(1, 2), min_depth=11, ops=nine).size() == 9**22
    # skips are possible in all layers but the first of each stage
    assert Chain(**fixed_depth).size() == 6**7 * 7**14
    # by hand: one stage of depth 1..3 (6 + 6*7 + 6*7*7), one of depth 1 (6)
    assert SMALL.size() == (6 + 42 + 294) * 6


def test_count_equals_enumeration():
    space = Chain(widths=(4, 6), depths=(3, 2), strides=(1, 2), min_depth=1, ops=CHAIN_OPS[:1] + CHAIN_OPS[-1:])

    def grow(partial, names):
        if not names:
            yield partial
            return
        allowed = space.options(names[0], partial)
        for option in allowed or [None]:
            yield from grow(partial if option is None else {**partial, names[0]: option}, names[1:])

    every = list(grow({}, space.decisions))
    for choices in every:
        space.validate(choices)
    assert len(every) == len({tuple(c.items()) for c in every}) == space.size() == (1 + 2 + 4) * (1 + 2)


def test_a_shallow_stage_has_no_decisions_for_its_deeper_layers():
    choices = {"stage0.depth": 1, "stage0.0": "mbconv_k3_e3", "stage1.0": "mbconv_k5_e6"}
    SMALL.validate(choices)
    assert len(SMALL.network(choices).body.stages[0]) == 1
    with pytest.raises(ArchitectureError, match=r"stage0\.1.*inactive"):
        SMALL.validate({**choices, "stage0.1": "skip_connect"})
    with pytest.raises(ArchitectureError, match=r"stage0\.1.*missing"):
        SMALL.validate({**choices, "stage0.depth": 2})
    with pytest.raises(ArchitectureError, match=r"stage0\.0.*not allowed"):
        SMALL.validate({**choices, "stage0.0": "skip_connect"})
    with pytest.raises(ArchitectureError, match=r"stage0\.depth"):
        SMALL.validate({**choices, "stage0.depth": True})


def test_mutating_the_depth_draws_or_drops_layers():
    rng = random.Random(0)
    lengths = set()
    choices = SMALL.sample(rng)
    for _ in range(200):
        choices = SMALL.mutate(choices, rng)
        SMALL.validate(choices)
        lengths.add(len(choices))
    assert lengths == {3, 4, 5}


def test_encoding_is_zero_for_inactive_layers():
    code = SMALL.encode({"stage0.depth": 1, "stage0.0": "mbconv_k3_e3", "stage1.0": "mbconv_k5_e6"})
    assert code.tolist() == [1, 0, 0] + [1, 0, 0, 0, 0, 0] + [0] * 7 + [0] * 7 + [0, 0, 0, 1, 0, 0]


def test_depths_are_mixed_by_their_weights():
    supernet = SMALL.supernet().double().eval()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    stage = supernet.body.stages[0]
    state = supernet.body.stem(x)
    row = OptionWeights(torch.full((1, 7), 1 / 7, dtype=torch.float64))
    first = OptionWeights(torch.full((1, 6), 1 / 6, dtype=torch.float64))
    layers = [first, row, row]
    outs = []
    for depth in range(3):
        values = torch.eye(3, dtype=torch.float64)[depth : depth + 1]
        outs.append(stage(state, layers, OptionWeights(values)))
        torch.testing.assert_close(outs[-1], stage(state, layers, OptionWeights(values, ((depth,),))))
    mix = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)
    expected = sum(w * out for w, out in zip(mix[0], outs, strict=True))
    torch.testing.assert_close(stage(state, layers, OptionWeights(mix)), expected)


def test_decode_takes_the_strongest_and_breaks_ties_by_index():
    logits = {name: torch.zeros_like(group) for name, group in SMALL.supernet().logits.items()}
    assert SMALL.decode(logits) == {"stage0.depth": 1, "stage0.0": CHAIN_OPS[0], "stage1.0": CHAIN_OPS[0]}
    logits["depth0"][0, 1] = 1.0
    logits["rest"][0, 6] = 1.0
    logits["first"][1, 3] = 1.0
    assert SMALL.decode(logits) == {
        "stage0.depth": 2,
        "stage0.0": CHAIN_OPS[0],
        "stage0.1": "skip_connect",
        "stage1.0": CHAIN_OPS[3],
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": (24, 40)}, "equally long"),
        ({"widths": 24}, "widths"),
        ({"depths": (4, 4, 4, 4, 4, 0)}, "depths"),
        ({"depths": (4, 4, 4, 4, 4, True)}, "depths"),
        ({"strides": (2, 2, 2, 1, 2, 3)}, "strides"),
        ({"stem_stride": 4}, "stem_stride"),
        ({"min_depth": 0}, "min_depth"),
        ({"head_channels": -1}, "head_channels"),
        ({"in_channels": 0}, "in_channels"),
        ({"ops": ("none", "mbconv_k3_e3")}, "none"),
        ({"ops": ("skip_connect",)}, "ops"),
        ({"ops": ("mbconv_k9_e9",)}, "mbconv_k9_e9"),
        ({"ops": "mbconv_k3_e3"}, "ops"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        Chain(**arguments)


# ---- output stride ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [
        (8, [2, 4, 8], [(1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4)]),
        (16, [2, 4, 8, 16], [(1, 1), (1, 1), (1, 1), (1, 1), (1, 2), (2, 2)]),
        (None, [2, 4, 8, 16, 32], [(1, 1)] * 6),
    ],
)
def test_beyond_the_output_stride_kernels_are_dilated(output_stride, strides, dilations):
    space = Chain(output_stride=output_stride)
    assert [(r.first_dilation, r.dilation) for r in space.resolutions] == dilations
    network = space.network(space.sample(random.Random(0)))
    assert network.feature_info.reduction() == strides == space.supernet().feature_info.reduction()
    maps = network(torch.randn(1, 3, 64, 64))
    assert [64 // m.shape[-1] for m in maps] == strides
    last = network.body.stages[4]
    found = [layer.layers.depthwise.conv.dilation[0] for layer in last if hasattr(layer, "layers")]
    assert found == [dilations[4][0], *[dilations[4][1]] * (len(found) - 1)]


def test_dilation_keeps_the_function_of_a_stride_at_its_own_places():
    """With dilation 2 instead of stride 2 before it, a kernel computes the strided result at every second pixel."""
    torch.manual_seed(0)
    first, second = build_op("mbconv_k3_e3", 4, 6, stride=2).eval(), build_op("mbconv_k5_e3", 6, 6).eval()
    x = torch.randn(1, 4, 32, 32)
    strided = second(first(x))
    plain = build_op("mbconv_k3_e3", 4, 6).eval()
    plain.load_state_dict(first.state_dict())
    torch.testing.assert_close(dilate(second, 2)(plain(x))[:, :, ::2, ::2], strided)


def test_impossible_output_strides_are_refused():
    with pytest.raises(ValueError, match="output_stride must be"):
        Chain(output_stride=3)

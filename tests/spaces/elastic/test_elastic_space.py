"""The decisions of the elastic space: what there is to choose, in which order, and what follows from it."""

import itertools
import random

import pytest

from lightning_nas.cost import count_parameters
from lightning_nas.errors import ArchitectureError, ArgumentError
from lightning_nas.spaces import Chain, Elastic, Fpn, NasBench201, Product
from lightning_nas.spaces.elastic.trunk import share

TINY = Elastic("mobilenetv2_050", expansions=(50,), depths=(1,))


def test_the_largest_network_is_the_seed():
    """Sandler et al. 2018: 3,504,872 parameters, with the last convolution and the classifier."""
    space = Elastic("mobilenet_v2")
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert count_parameters(space.network(space.largest())) == 3_504_872 - head
    assert space.network(space.largest()).feature_info.reduction() == [2, 4, 8, 16, 32]
    assert space.network(space.largest()).feature_info.channels() == [16, 24, 32, 96, 320]


def test_options_are_those_that_were_named_and_the_seeds_own():
    space = Elastic("tf_efficientnet_lite0", kernels=(3, 7), expansions=(50,), depths=(1, 2), widths=(75,))
    options = {name: list(space.options(name, {})) for name in space.decisions}
    assert options["width"] == [75, 100]
    assert options["stage1.0.kernel"] == [3, 7]
    assert options["stage2.0.kernel"] == [3, 5, 7]
    assert options["stage3.depth"] == [1, 2, 3]
    assert "stage0.depth" not in options
    assert "stage0.0.expansion" not in options  # has no channels of its own inside
    assert space.largest()["stage1.0.kernel"] == 7
    assert space.smallest()["stage5.depth"] == 1
    assert "stage5.1.expansion" not in space.smallest()


def test_channels_are_rounded_to_a_multiple_of_eight():
    assert [share(24, 75), share(24, 50), share(96, 33), share(8, 50)] == [16, 16, 32, 8]
    space = Elastic("mobilenet_v2", expansions=(50, 75))
    plan = space.plan({**space.largest(), "stage1.0.expansion": 75, "stage1.1.expansion": 50})
    assert [block.middle for block in plan.stages[1]] == [72, 72]  # 3/4 of 96, half of 144
    assert all(block.middle % 8 == 0 for stage in space.plan(space.smallest()).stages for block in stage)


def test_ratios_that_are_rounded_to_the_same_channels_are_one_option():
    space = Elastic("resnet18", expansions=(98, 99))
    assert list(space.options("stage3.0.expansion", {})) == [99, 100]  # 504 of 512 both


def test_the_size_is_the_number_of_different_architectures():
    space = Elastic("mobilenetv2_050", expansions=(), depths=(1,), kernels=(3, 5))
    names = [name for name in space.decisions if name.startswith(("stage1", "stage4"))]
    found = set()
    for picked in itertools.product(*(space.options(name, {}) for name in names)):
        found.add(tuple(space.complete({**space.largest(), **dict(zip(names, picked, strict=True))}, None).items()))
    per_stage = {1: 2 + 4, 4: 2 + 8}
    assert len(found) == per_stage[1] * per_stage[4]
    assert space.size() == 2 * 6 * (2 + 8) * (2 + 16) * (2 + 8) * (2 + 8) * 2


def test_blocks_that_are_left_out_have_nothing_to_decide():
    choices = TINY.complete({"stage2.depth": 1}, random.Random(0))
    assert not any(name.startswith(("stage2.1", "stage2.2")) for name in choices)
    with pytest.raises(ArchitectureError, match=r"stage2\.2\.expansion' is inactive"):
        TINY.validate({**choices, "stage2.2.expansion": 50})


def test_larger_choices_give_larger_networks():
    sizes = [count_parameters(TINY.network(c)) for c in (TINY.smallest(), TINY.largest())]
    for seed in range(5):
        assert sizes[0] <= count_parameters(TINY.network(TINY.sample(random.Random(seed)))) <= sizes[1]


def test_a_product_joins_the_largest_and_smallest_of_its_parts():
    space = Product({"backbone": TINY, "neck": Fpn(channels=8, max_level=5)})
    assert space.largest() == {f"backbone/{name}": option for name, option in TINY.largest().items()}
    assert space.smallest() == {f"backbone/{name}": option for name, option in TINY.smallest().items()}
    assert not space.mixes
    assert Product({"backbone": Chain(), "neck": Fpn(channels=8, max_level=5)}).mixes


def test_a_space_without_an_order_has_no_largest_network():
    with pytest.raises(ArgumentError, match="'nasbench201' has no largest network"):
        NasBench201().largest()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"seed": "vgg16"},
            r"seed = 'vgg16', expected a network of inverted residuals or a ResNet, one of mobilenet_v2, .*resnet18",
        ),
        ({"seed": "mobilnet_v2"}, r"did you mean mobilenet_v2\?"),
        ({"seed": 3}, "seed must be the name of a network, got 3"),
        ({"kernels": (4,)}, "kernels must be odd"),
        ({"expansions": (0,)}, "expansions must hold whole numbers from 10 to 100"),
        ({"expansions": (0.5,)}, "expansions must hold whole numbers from 10 to 100"),
        ({"widths": (150,)}, "widths must hold whole numbers"),
        ({"kernel_transform": 1}, "kernel_transform must be true or false"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Elastic(**arguments)

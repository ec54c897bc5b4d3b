"""Which networks a step trains, per rule."""

import random

import pytest

from lightning_nas.errors import NasError
from lightning_nas.spaces import Chain, Fpn, NasBench201, Product, ShuffleNetV2
from lightning_nas.strategies import Elastic
from lightning_nas.strategies.paths.step_rules import kinds_of, networks_of_step, share_of_training

SPACE = Chain(widths=(8, 16), depths=(3, 3), strides=(2, 2))


def steps(rule, count=6, seed=0, **arguments):
    return [networks_of_step(rule, SPACE, seed=seed, step=step, **arguments) for step in range(count)]


@pytest.mark.parametrize("rule", ["uniform", "sandwich", "alternate"])
def test_the_networks_follow_from_seed_and_step_alone(rule):
    assert steps(rule) == steps(rule)
    assert steps(rule) != steps(rule, seed=1)
    assert steps(rule)[1] != steps(rule)[3]


def test_a_sandwich_has_the_largest_the_smallest_and_random_ones():
    for networks in steps("sandwich"):
        assert networks[:2] == [SPACE.largest(), SPACE.smallest()]
        assert len(networks) == 4
    assert {len(networks) for networks in steps("sandwich", networks=0)} == {2}


def test_alternate_has_the_largest_in_every_other_step():
    first, second, third, fourth, *_ = steps("alternate")
    assert first == third == [SPACE.largest()]
    assert SPACE.largest() not in second + fourth
    assert [len(networks) for networks in steps("alternate", networks=3)] == [1, 3, 1, 3, 1, 3]


def test_uniform_draws_as_many_as_asked_for():
    assert {len(networks) for networks in steps("uniform")} == {1}
    assert {len(networks) for networks in steps("uniform", networks=3)} == {3}


def test_progressive_lets_one_kind_loose_after_the_other():
    assert steps("progressive", share=0.3) == [[SPACE.largest()]] * 6
    largest = SPACE.largest()
    second = [choices for networks in steps("progressive", share=0.4) for choices in networks]
    assert {choices["stage0.depth"] for choices in second} == {2, 3}
    assert all(option == largest[name] for choices in second for name, option in choices.items() if "depth" not in name)
    third = [choices for networks in steps("progressive", share=0.7) for choices in networks]
    assert len(third) == 12  # two per step
    assert any(option != largest[name] for choices in third for name, option in choices.items() if "depth" not in name)


def test_the_order_of_the_stages_counts():
    both = Product({"backbone": SPACE})
    assert kinds_of(both, ("depth",))[0] == ["backbone/stage0.depth", "backbone/stage1.depth"]
    first, second = kinds_of(SPACE, ("0", "depth"))[:2]
    assert first == ["stage0.0", "stage1.0"]
    assert second == ["stage0.depth", "stage1.depth"]
    stages = ("0", "depth")
    drawn = networks_of_step("progressive", SPACE, seed=0, step=0, share=0.3, stages=stages)[0]
    assert drawn["stage0.depth"] == 3


def test_a_space_without_an_order_is_refused_by_name():
    for rule in ("sandwich", "alternate", "progressive"):
        with pytest.raises(NasError, match=f"rule = '{rule}'.*nasbench201"):
            Elastic(rule=rule).check_space(NasBench201())
    with pytest.raises(NasError, match=r"distillation = 0\.5.*nasbench201"):
        Elastic(distillation=0.5).check_space(NasBench201())
    Elastic().check_space(NasBench201())
    with pytest.raises(NasError, match=r"progressive.*shufflenetv2"):
        Elastic(rule="progressive").check_space(ShuffleNetV2())


@pytest.mark.parametrize("space", [SPACE, ShuffleNetV2(), Chain(ops=("mbconv_k3_e3", "mbconv_k5_e6"))])
def test_the_ends_of_the_order_are_networks_of_the_space(space):
    space.validate(space.largest())
    space.validate(space.smallest())
    rng = random.Random(0)
    assert all(len(space.smallest()) <= len(space.sample(rng)) <= len(space.largest()) for _ in range(20))
    product = Product({"backbone": space, "neck": Fpn(channels=8)})
    product.validate(product.largest())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rule": "bottom_up"}, "rule must be one of"),
        ({"networks": 0}, "networks must be at least 1"),
        ({"rule": "sandwich", "networks": -1}, "networks must be at least 0"),
        ({"distillation": 1.5}, "distillation must be from 0 to 1"),
        ({"divergence": "js"}, "divergence must be one of"),
        ({"ema": 1.0}, "ema must be between"),
        ({"cost": "flops"}, "cost must be one of"),
        ({"prefer": "small"}, "prefer must be one of"),
        ({"max_latency_ms": 0}, "max_latency_ms must be positive"),
        ({"initial": 1}, "initial must be at least 2"),
        ({"tune_epochs": -1}, "tune_epochs must be at least 0"),
        ({"tune_rate": 0.0}, "tune_rate must be positive"),
    ],
)
def test_impossible_arguments_are_refused(arguments, said):
    with pytest.raises(NasError, match=said):
        Elastic(**arguments)


def test_the_share_of_a_training():
    assert share_of_training(0, 4, 0, 10) == 0
    assert share_of_training(2, 4, 5, 10) == 0.625
    assert share_of_training(2, 4, 5, float("inf")) == 0.5
    assert share_of_training(9, 4, 0, 10) == 1
    assert share_of_training(3, -1, 0, 10) == 0

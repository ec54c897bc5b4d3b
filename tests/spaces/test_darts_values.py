"""Exact values of the DARTS space: published sizes, supernets, counts, decoding."""

import functools
from contextlib import nullcontext

import pytest
import torch

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.networks.weightless import without_weights
from lightning_nas.spaces import Darts, from_architecture, published
from lightning_nas.spaces.darts.space import DARTS_OPS

# name: CIFAR parameters, CIFAR multiply-adds, ImageNet parameters, ImageNet multiply-adds; all without auxiliary head
SIZES = {
    "darts_v1": (3_169_414, 500_987_520, 4_510_432, 505_864_704),
    "darts_v2": (3_349_342, 528_359_040, 4_718_752, 529_911_552),
    "pc_darts_cifar": (3_634_678, None, 5_270_560, 571_137_408),
    "pc_darts_imagenet": (3_721_510, None, 5_342_464, 581_627_328),
    "p_darts": (3_433_798, None, 4_944_352, 542_819_328),
    "drnas_cifar": (4_099_294, None, 5_738_464, 633_832_320),
    "drnas_imagenet": (4_048_750, None, 5_726_368, 624_405_504),
}


def linear(features, classes):
    return features * classes + classes


@pytest.mark.parametrize("name", SIZES)
def test_sizes_on_cifar(name):
    parameters, macs, _, _ = SIZES[name]
    space, choices = from_architecture(published(name))
    network = space.network(choices)
    assert count_parameters(network) + linear(576, 10) == parameters
    if macs is not None:
        assert count_macs(network, (3, 32, 32)) + 576 * 10 == macs


@pytest.mark.parametrize("name", SIZES)
def test_sizes_on_imagenet(name):
    _, _, parameters, macs = SIZES[name]
    space, choices = from_architecture(published(name, channels=48, cells=14, stem="imagenet"))
    network = space.network(choices)
    assert count_parameters(network) + linear(768, 1000) == parameters
    assert count_macs(network, (3, 224, 224)) + 768 * 1000 == macs


def test_size_with_a_hundred_classes():
    space, choices = from_architecture(published("darts_v2"))
    assert count_parameters(space.network(choices)) + linear(576, 100) == 3_401_272


def test_gdas_v1_has_its_published_size():
    """Dong, Yang 2019, arXiv 1910.04465: 3.4 M parameters on CIFAR, 5.3 M on ImageNet (50 channels)."""
    space, choices = from_architecture(published("gdas_v1"))
    assert count_parameters(space.network(choices)) + linear(576, 10) == 3_368_782
    space, choices = from_architecture(published("gdas_v1", channels=50, cells=14, stem="imagenet"))
    assert round((count_parameters(space.network(choices)) + linear(800, 1000)) / 1e6, 1) == 5.3


@pytest.mark.parametrize(
    ("channels", "cells", "parameters", "macs"), [(16, 8, 1_930_618, 300_255_744), (16, 20, 4_548_730, None)]
)
def test_sizes_of_the_supernet(channels, cells, parameters, macs):
    with nullcontext() if macs else without_weights():
        supernet = Darts(channels=channels, cells=cells).supernet()
    features = 16 * channels
    assert sum(p.numel() for p in supernet.weights().values()) + linear(features, 10) == parameters
    assert {name: tuple(group.shape) for name, group in supernet.logits.items()} == {
        "normal": (14, 8),
        "reduce": (14, 8),
    }
    if macs is not None:
        assert count_macs(supernet, (3, 32, 32)) + features * 10 == macs


def test_size_of_the_supernet_of_p_darts_first_stage():
    """P-DARTS keeps its logits among the parameters, so that the published 1,276,058 holds them (2 x 14 x 8)."""
    supernet = Darts(channels=16, cells=5).supernet()
    assert count_parameters(supernet) + linear(256, 10) == 1_276_058
    assert count_parameters(supernet) - sum(p.numel() for p in supernet.weights().values()) == 224


def test_counts():
    assert Darts().size() == 1_037_664_180**2
    assert Darts().size() ** 0.5 == pytest.approx(1.037664180e9)
    assert len(DARTS_OPS) ** 14 == 4_398_046_511_104


@functools.cache
def tiny_supernet(same_input):
    return Darts(channels=2, cells=3, same_input=same_input).supernet()


@pytest.mark.parametrize("name", [*SIZES, "gdas_v1"])
def test_decode_finds_a_published_architecture_back(name):
    space, choices = from_architecture(published(name))
    supernet = tiny_supernet(space.same_input)
    logits = {group: torch.zeros(14, 8) for group in ("normal", "reduce")}
    for group, path in supernet.path(choices).items():
        for edge, options in enumerate(path):
            logits[group][edge, list(options)] = 5.0
    assert space.decode(logits) == choices
    # neither `none`, however strong in the rows that stay ahead, nor what lies below the maxima changes anything
    noise = {g: torch.rand(14, 8, generator=torch.Generator().manual_seed(1)) for g in logits}
    assert space.decode({g: t + noise[g] * (t == 0) for g, t in logits.items()}) == choices


def test_none_is_never_chosen_however_strong():
    space = Darts()
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        logits = {group: torch.randn(14, 8, generator=generator) for group in ("normal", "reduce")}
        for group in logits.values():
            group[:, 0] += 10.0
        assert "none" not in space.decode(logits).values()


def test_a_strong_none_takes_an_edge_out_of_the_ranking():
    """Edges are ranked by the softmax weight of their best operation, in whose denominator ``none`` stands."""
    logits = torch.zeros(14, 8)
    logits[2:5, 4] = torch.tensor([3.0, 2.0, 2.5])  # node 3: states 0, 1, 2
    space = Darts()
    assert space.decode({"normal": logits, "reduce": logits})["normal.3.inputs"] == "0+2"
    logits[2, 0] = 10.0
    assert space.decode({"normal": logits, "reduce": logits})["normal.3.inputs"] == "1+2"


def test_ties_go_to_the_lowest_index():
    choices = Darts().decode({"normal": torch.zeros(14, 8), "reduce": torch.zeros(14, 8)})
    assert {choices[f"normal.{node}.inputs"] for node in range(2, 6)} == {"0+1"}
    assert {option for name, option in choices.items() if "op" in name} == {"max_pool_3x3"}


def test_gdas_rule_may_take_one_state_twice():
    logits = torch.zeros(14, 8)
    logits[0, 4], logits[0, 5] = 5.0, 5.0
    groups = {"normal": logits, "reduce": logits}
    twice, apart = Darts(same_input=True).decode(groups), Darts().decode(groups)
    assert (twice["normal.2.inputs"], twice["normal.2.op0"], twice["normal.2.op1"]) == (
        "0+0",
        "sep_conv_3x3",
        "sep_conv_5x5",
    )
    assert apart["normal.2.inputs"] == "0+1"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"channels": 15}, "channels"),
        ({"channels": 1.5}, "channels"),
        ({"cells": 0}, "cells"),
        ({"stem": "mnist"}, "stem"),
        ({"steps": 0}, "steps"),
        ({"in_channels": 0}, "in_channels"),
        ({"same_input": 1}, "same_input"),
        ({"ops": ("none",)}, "ops"),
        ({"ops": ("no_such_op",)}, "no_such_op"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        Darts(**arguments)

"""NAS-FPN: published sizes, tokens, refusals."""

import math

import pytest
import torch
from torch import nn

from lightning_nas.cost import count_parameters
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import FeatureInfo, FeatureLevel, NasFpn
from lightning_nas.spaces.necks.nas_fpn.network import Stack
from lightning_nas.spaces.necks.nas_fpn.tokens import PUBLISHED

R50 = FeatureInfo((FeatureLevel(256, 4), FeatureLevel(512, 8), FeatureLevel(1024, 16), FeatureLevel(2048, 32)))
SMALL = FeatureInfo((FeatureLevel(3, 8), FeatureLevel(4, 16), FeatureLevel(5, 32)))


def neck(space, info=R50):
    return space.network(space.from_tokens(PUBLISHED), inputs=info)


# ---- published values ---------------------------------------------------------------------------------------------


def test_one_merging_convolution_and_a_stack_have_the_published_size():
    stack = Stack(NasFpn(), PUBLISHED)
    assert count_parameters(stack.cells[0]) == 590_592
    assert count_parameters(stack) == 4_134_144


@pytest.mark.parametrize(
    ("channels", "repeats", "stacks", "laterals"),
    [
        (256, 3, 12_402_432, 919_808),
        (256, 5, 20_670_720, 919_808),
        (256, 7, 28_939_008, 919_808),
        (384, 7, 65_084_544, 1_379_712),
    ],
)
def test_necks_have_the_published_size(channels, repeats, stacks, laterals):
    network = neck(NasFpn(channels=channels, repeats=repeats))
    assert count_parameters(network.stacks) == stacks
    assert count_parameters(network.laterals) == laterals


@pytest.mark.parametrize(("size", "giga"), [(512, 4.426), (640, 6.916), (1024, 17.704)])
def test_a_stack_has_the_published_multiply_adds(size, giga):
    stack = Stack(NasFpn(), PUBLISHED)
    pixels = []
    for cell in stack.cells:
        cell.register_forward_hook(lambda module, args, out: pixels.append(out.shape[-2] * out.shape[-1]))
    with torch.no_grad():
        for cell in stack.cells:  # the arithmetic is not needed to see the sizes of maps
            cell[1] = nn.Identity()
        stack.eval()([torch.zeros(1, 256, size // 2**level, size // 2**level) for level in range(3, 8)])
    assert round(sum(pixels) * 256 * 256 * 9 / 1e9, 3) == giga
    assert [cell.level for cell in PUBLISHED] == [4, 4, 3, 4, 5, 7, 6]


def test_sizes_of_the_space():
    space = NasFpn()
    sequences = math.prod(math.comb(5 + i, 2) for i in range(7)) * 2**7
    assert space.size() == sequences * 2**7 * 5**2 * math.factorial(5)
    assert f"{sequences:.3e}" == "1.006e+12"
    assert f"{space.size() // 2**7:.3e}" == "3.018e+15"


def test_published_tokens_come_back():
    space = NasFpn()
    choices = space.from_tokens(PUBLISHED)
    assert space.tokens(choices) == PUBLISHED
    assert space.architecture(choices).components["neck"].space == "nas_fpn"


# ---- levels ---------------------------------------------------------------------------------------------------------


def test_coarser_levels_are_pooled_and_odd_sizes_are_met():
    network = neck(NasFpn(channels=4, repeats=2), SMALL).eval()
    x = [torch.randn(1, c, *size) for c, size in ((3, (13, 19)), (4, (7, 10)), (5, (4, 5)))]
    levels = network.laterals(x)
    assert torch.equal(levels[3], nn.functional.max_pool2d(levels[2], 2, ceil_mode=True))
    assert [f.shape[-2:] for f in network(x)] == [(13, 19), (7, 10), (4, 5), (2, 3), (1, 2)]


# ---- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cells": 8}, "cells"),
        ({"cells": 4}, "cells"),
        ({"channels": 0}, "channels"),
        ({"repeats": True}, "repeats"),
        ({"min_level": 6, "max_level": 5}, "max_level"),
    ],
)
def test_impossible_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        NasFpn(**arguments)


@pytest.mark.parametrize(
    "cell", [(1, 1, 4, "sum"), (1, 12, 4, "sum"), (1, 3, 8, "sum"), (1, 3, 4, "product"), (1, 3, 4)]
)
def test_impossible_tokens_are_refused(cell):
    with pytest.raises(ArchitectureError):
        NasFpn().from_tokens([cell, *PUBLISHED[1:]])


def test_every_level_must_be_given_once():
    tokens = list(PUBLISHED)
    tokens[3] = tokens[3]._replace(level=3)
    with pytest.raises(ArchitectureError, match=r"cell3\.level = 3"):
        NasFpn().from_tokens(tokens)


@pytest.mark.parametrize("strides", [(4, 16, 32), (2, 4), (8, 32)])
def test_a_backbone_without_the_levels_is_refused(strides):
    info = FeatureInfo(tuple(FeatureLevel(4, stride) for stride in strides))
    with pytest.raises(ValueError, match="stride"):
        neck(NasFpn(channels=4), info)

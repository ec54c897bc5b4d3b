"""The micro space of ENAS: counts, the closing convolution and its slices, cells against a textbook computation."""

import functools
import itertools
import random

import pytest
import torch
from cell_networks import randomised, take_weights, textbook, unread
from omegaconf import OmegaConf
from torch import nn

from lightning_nas.commands.check import check_component
from lightning_nas.cost import count_parameters
from lightning_nas.errors import ConfigError
from lightning_nas.spaces import EnasMicro
from lightning_nas.spaces.nasnet.search_cell import NasNetSearchCell

SMALL = {"channels": 4, "cells": 4, "blocks": 3}


def images():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_counts():
    """Per cell: ordered pairs of (state, operation) for nodes that may read 2 to 6 states."""
    per_cell = 1
    for states in range(2, 7):
        per_cell *= (5 * states) ** 2
    assert per_cell == 5_062_500_000_000
    assert EnasMicro().size() == per_cell**2


def test_size_counts_what_can_be_listed():
    space = EnasMicro(blocks=1, ops=("avg_pool_3x3", "skip_connect", "sep_conv_3x3"))
    found = {
        options
        for options in itertools.product(*(space.options(name, {}) for name in space.decisions))
        if space.validate(dict(zip(space.decisions, options, strict=True))) is None
    }
    assert len(found) == space.size() == (2 * 3) ** 4


def test_the_network_of_the_search_has_six_normal_cells_two_reductions_and_twenty_filters():
    supernet = EnasMicro().supernet()
    assert [cell.group for cell in supernet.macro.cells] == [
        *("normal", "normal", "reduce") * 2,
        *("normal", "normal"),
    ]
    assert supernet.feature_info.channels() == [20, 40, 80]
    assert supernet.feature_info.reduction() == [1, 2, 4]
    assert EnasMicro(cells=17, channels=36).network(EnasMicro().sample(random.Random(0))).macro.auxiliary_cell == 11


def test_every_cell_of_a_found_network_has_the_channels_of_a_state():
    space = EnasMicro(**SMALL)
    infos = {space.network(space.sample(random.Random(seed))).feature_info for seed in range(4)}
    assert infos == {space.supernet().feature_info}
    assert not space.levels_follow_choices


def test_inputs_are_projected_only_where_size_or_channels_differ():
    network = EnasMicro(channels=4, cells=9).network(EnasMicro().sample(random.Random(0)))
    kinds = [(type(c.inputs.older).__name__, type(c.inputs.newer).__name__) for c in network.macro.cells]
    same, project, reduce = "Identity", "ReLUConvBN", "FactorizedReduce"
    assert kinds == [
        (project, project),  # two stems of 12 channels
        (project, same),  # a stem and a cell
        (same, same),
        (project, project),  # reduction: 4 to 8 channels
        (reduce, same),
        (same, same),
        (project, project),
        (reduce, same),
        (same, same),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_network_computes_what_its_decisions_say(seed):
    torch.manual_seed(seed)
    space = EnasMicro(**SMALL)
    choices = space.sample(random.Random(seed))
    network = randomised(space.network(choices), seed)
    with torch.no_grad():
        torch.testing.assert_close(network(images())[-1], textbook(space, choices, network, images()))


def test_the_closing_convolution_has_a_slice_per_state_and_a_path_uses_those_of_its_unread_ones():
    torch.manual_seed(0)
    space = EnasMicro(channels=4, cells=3, blocks=3)
    cell: NasNetSearchCell = randomised(space.supernet()).macro.cells[0]  # a normal one
    assert cell.outcome.close.conv.weight.shape == (4, 5 * 4, 1, 1)
    slices = cell.outcome.close.conv.weight.view(4, 5, 4)
    states = [torch.randn(2, 4, 6, 6, dtype=torch.float64) for _ in range(5)]
    shares = [torch.tensor(float(state in (0, 3, 4))).double() for state in range(5)]
    gathered = sum(torch.einsum("oc,bchw->bohw", slices[:, state], states[state].relu()) for state in (0, 3, 4))
    torch.testing.assert_close(cell.outcome(states, shares), cell.outcome.close.norm(gathered))


@functools.cache
def path_and_network(seed):
    torch.manual_seed(seed)
    space = EnasMicro(**SMALL)
    choices = space.sample(random.Random(seed))
    supernet, network = randomised(space.supernet(), seed), space.network(choices).double().eval()
    assert not take_weights(network, supernet, space, choices)
    return supernet, network, choices


@pytest.mark.parametrize("form", ["textbook", "fused"])
def test_a_path_is_the_found_network_of_the_same_weights(form):
    for seed in range(3):
        supernet, network, choices = path_and_network(seed)
        supernet.set_form(form)
        supernet.activate(choices)
        with torch.no_grad():
            for path, expected in zip(supernet(images()), network(images()), strict=True):
                torch.testing.assert_close(path, expected)


def test_a_path_gives_gradients_to_its_own_weights_alone():
    torch.manual_seed(0)
    space = EnasMicro(channels=4, cells=3, blocks=1)
    first = {n: 0 if n.endswith("input0") else 1 if "input" in n else "sep_conv_3x3" for n in space.decisions}
    supernet = space.supernet().double()
    supernet.activate(first)
    sum(f.square().sum() for f in supernet(images())).backward()
    moved = {name for name, p in supernet.weights().items() if p.grad is not None}
    candidates = {name.split(".candidates.")[0][-1] for name in moved if ".candidates." in name}
    assert candidates == {"0", "3"}, "edges (side 0, state 0) and (side 1, state 1)"
    assert all(".candidates.0." in name for name in moved if ".candidates." in name)
    closing = supernet.macro.cells[0].outcome.close.conv.weight.grad.view(4, 3, 4)
    assert not closing[:, :2].any()
    assert closing[:, 2].any()
    assert unread(space, first, "normal") == [2]


def test_affine_candidates_are_a_choice():
    sizes = [count_parameters(EnasMicro(**SMALL, supernet_affine=affine).supernet()) for affine in (True, False)]
    norms = [m for m in EnasMicro(**SMALL).supernet().macro.cells.modules() if isinstance(m, nn.BatchNorm2d)]
    assert sizes[0] - sizes[1] == sum(2 * norm.num_features for norm in norms)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"channels": 7}, "channels"), ({"blocks": 0}, "blocks"), ({"ops": ("none",)}, "none"), ({"stem": ""}, "stem")],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        EnasMicro(**arguments)


def test_the_command_line_can_check_its_arguments():
    """Types of inherited arguments are known where a config is checked."""
    config = OmegaConf.create({"_target_": "lightning_nas.spaces.EnasMicro", "channels": 4, "stem": "imagenet"})
    check_component(config, "space")
    with pytest.raises(ConfigError, match="stem"):
        check_component(OmegaConf.merge(config, {"stem": 3}), "space")

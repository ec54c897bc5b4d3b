"""GAS: independent cells, the graph guide, decoding with 'none', placements."""

import random

import pytest
import torch
from torch import nn

from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.ops import PARAMETER_FREE
from lightning_nas.spaces import Chain, Fpn, Gas, OptionWeights, Product
from lightning_nas.spaces.gas.guide import GraphGuide, adjacency

SMALL = Gas(channels=4, cells=4)


def test_every_cell_has_its_own_decisions():
    assert len(SMALL.decisions) == 4 * 6
    assert SMALL.size() == (1 * 3 * 7**4) ** 4
    assert SMALL.options("cell2.3.op1", {}) == list(SMALL.ops)
    assert SMALL.options("cell2.3.inputs", {}) == ["0+1", "0+2", "1+2"]


def test_shape_of_the_published_size():
    supernet = Gas().supernet()
    assert len(supernet.logits) == 14
    assert all(group.shape == (5, 7) for group in supernet.logits.values())
    assert supernet.feature_info.reduction() == [2, 4, 8, 16]


# ---- the guide --------------------------------------------------------------------------------------------------


def test_rows_of_the_adjacency_sum_to_one():
    generator = torch.Generator().manual_seed(0)
    matrix = adjacency(torch.randn(5, 3, generator=generator), torch.randn(4, 3, generator=generator))
    assert matrix.shape == (5, 4)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(5))


def test_without_gamma_the_cells_are_independent():
    supernet = SMALL.supernet(generator=torch.Generator().manual_seed(1))
    assert all(torch.equal(group, supernet.logits[name]) for name, group in supernet.decision_logits().items())
    with torch.no_grad():
        for guide in supernet.guides:
            guide.gamma.fill_(0.7)
    guided = supernet.decision_logits()
    assert torch.equal(guided["cell0"], supernet.logits["cell0"])
    assert not any(torch.equal(guided[f"cell{k}"], supernet.logits[f"cell{k}"]) for k in (1, 2, 3))


def test_the_guide_computes_its_formula():
    torch.manual_seed(0)
    guide = GraphGuide(7, 4).double()
    nn.init.constant_(guide.gamma, 0.3)
    a, b = torch.randn(5, 7).double(), torch.randn(5, 7).double()
    similarity = (a @ guide.query.weight.T) @ (b @ guide.key.weight.T).T
    weights = similarity.exp() / similarity.exp().sum(dim=1, keepdim=True)
    expected = a + 0.3 * (weights @ (b @ guide.enter.weight.T)).clamp(min=0) @ guide.leave.weight.T
    torch.testing.assert_close(guide(a, b), expected)
    assert torch.autograd.gradcheck(guide, (a.requires_grad_(), b.requires_grad_()))


def test_the_guide_is_a_weight_and_learns():
    torch.manual_seed(0)
    supernet = SMALL.supernet()
    torch.stack([f.square().mean() for f in supernet(torch.randn(2, 3, 32, 32))]).sum().backward()
    assert all(guide.gamma.grad is not None and guide.gamma.grad != 0 for guide in supernet.guides)
    assert {name for name in supernet.weights() if name.startswith("guides.")}
    assert not SMALL.__class__(channels=4, cells=4, guided=False).supernet().guides


def test_a_part_of_a_product_is_guided_too():
    product = Product({"backbone": SMALL, "neck": Fpn(channels=4, min_level=2, max_level=4)}).supernet()
    with torch.no_grad():
        product.parts["backbone"].guides[0].gamma.fill_(1.0)
    guided = product.decision_logits()
    assert set(guided) == set(product.logits)
    assert not torch.equal(guided["backbone/cell1"], product.logits["backbone/cell1"])
    assert torch.equal(guided["backbone/cell2"], product.logits["backbone/cell2"])


# ---- supernet and network ---------------------------------------------------------------------------------------


def test_both_forms_compute_the_same():
    x = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0)).double()
    found = {}
    for form in ("fused", "textbook"):
        torch.manual_seed(0)
        supernet = SMALL.supernet().double()
        supernet.set_form(form)
        maps = supernet(x)
        torch.stack([f.square().mean() for f in maps]).sum().backward()
        found[form] = (maps, {name: p.grad for name, p in supernet.named_parameters()})
    for one, two in zip(found["fused"][0], found["textbook"][0], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-8)
    for name, gradient in found["fused"][1].items():
        torch.testing.assert_close(gradient, found["textbook"][1][name], rtol=1e-5, atol=1e-8, msg=name)


def test_a_found_network_is_its_path_in_the_supernet():
    torch.manual_seed(0)
    space = Gas(
        channels=4, cells=3, ops=tuple(op for op in SMALL.ops if "pool" not in op)
    )  # poolings are normalised there
    supernet, choices = space.supernet().eval(), space.sample(random.Random(5))
    network = space.network(choices).eval()
    inherit_weights(network, supernet, choices)
    supernet.activate(choices)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for ours, theirs in zip(network(x), supernet(x), strict=True):
            torch.testing.assert_close(ours, theirs)


# ---- decoding ---------------------------------------------------------------------------------------------------


def test_decoding_takes_the_strongest_edges_and_none_may_win():
    logits = {f"cell{k}": torch.zeros(5, 7) for k in range(4)}
    cell = logits["cell2"]
    cell[0, 3] = 2.0  # node 2: state 0 by sep_conv
    cell[1, 0] = 5.0  # and state 1 by none
    cell[2, 1] = 1.0  # node 3: state 0 weakly
    cell[3, 5] = 3.0
    cell[4, 0] = 2.0
    choices = SMALL.decode(logits)
    assert (choices["cell2.2.op0"], choices["cell2.2.op1"]) == ("sep_conv_3x3", "none")
    assert choices["cell2.3.inputs"] == "1+2"
    assert (choices["cell2.3.op0"], choices["cell2.3.op1"]) == ("dil_conv_3x3_r4", "none")
    assert choices["cell0.3.inputs"] == "0+1", "ties go to the lowest index"


# ---- placements -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 96), (57, 81)])
def test_placements_are_what_the_operations_see(size):
    supernet = SMALL.supernet()
    supernet.set_form("textbook")
    seen = {}
    for index, cell in enumerate(supernet.macro.cells):
        for row, edge in enumerate(cell.edges):
            edge.register_forward_pre_hook(
                lambda module, inputs, key=(f"cell{index}", row): seen.update(
                    {key: (*inputs[0].shape[1:], module.stride)}
                )
            )
    supernet(torch.randn(2, 3, *size))
    placements = supernet.placements(*size)
    assert seen == {(cell, row): tuple(place) for cell, rows in placements.items() for row, place in enumerate(rows)}


def test_other_spaces_do_not_say_where_their_operations_stand():
    assert Chain(depths=(1,), widths=(8,), strides=(2,)).supernet().placements(32, 32) is None


def test_one_hot_weights_of_none_give_nothing():
    supernet = SMALL.supernet().eval()
    none = torch.zeros(5, 7)
    none[:, 0] = 1.0
    supernet.relaxation = lambda logits: {name: OptionWeights(none) for name in logits}
    assert not supernet(torch.randn(1, 3, 32, 32))[-1].any()
    assert "none" in PARAMETER_FREE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 3}, "even"),
        ({"cells": 0}, "cells must"),
        ({"ops": ("none",)}, "more than"),
        ({"guided": 1}, "guided"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Gas(**arguments)

"""The supernet of Auto-DeepLab against the paper's formula."""

import random

import pytest
import torch
from torch import nn

from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.ops.layers.resize import resize
from lightning_nas.spaces import AutoDeepLab, OptionWeights
from lightning_nas.spaces.auto_deeplab.trellis import Place, Trellis

SMALL = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2)


def by_the_formula(supernet, x, weights):
    """Equations 4 and 6 of the paper, every cell and candidate by itself, in evaluation mode."""
    space, trellis = supernet.space, supernet.trellis
    half, quarter = supernet.stem(x)
    sizes = [quarter.shape[-2:]]
    for _ in range(3):
        sizes.append([(n + 1) // 2 for n in sizes[-1]])
    values = {name: w.values for name, w in weights.items()}

    def cell(module, older, newer, source, size):
        states = [module.older(resize(older, tuple(size))), module.newer[str(source)](newer, tuple(size))]
        edge = 0
        for _ in range(space.blocks):
            total = 0
            for state in list(states):
                for option, candidate in enumerate(module.edges[edge].candidates):
                    total = total + values["cell"][edge, option] * candidate(state)
                edge += 1
            states.append(total)
        return torch.cat(states[2:], dim=1)

    maps = {(-2, 0): half, (-1, 0): quarter}
    for layer in range(space.layers):
        for level in trellis.levels(layer):
            before = [s for s in ([0] if layer == 0 else trellis.levels(layer - 1)) if abs(s - level) <= 1]
            older = (layer - 2, level)
            while older not in maps:
                older = (older[0], older[1] - 1)
            total = 0
            for source in before:
                if layer == 0 and not trellis.free_start:
                    beta = 1.0
                else:
                    group = "beta_inner" if source in (1, 2) else "beta_rim"
                    row = trellis.rows[group].index(Place(layer - 1, source))
                    beta = values[group][row, Trellis.targets(source).index(level)]
                module = supernet.cells[f"layer{layer}_level{level}"]
                total = total + beta * cell(module, maps[older], maps[layer - 1, source], source, sizes[level])
            maps[layer, level] = total
    last = space.layers - 1
    return [nn.functional.relu(maps[last, level]) for level in trellis.levels(last)]


def trained_statistics(supernet, generator):
    """BatchNorm statistics other than 0 and 1."""
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.uniform_(0.5, 2.0, generator=generator)


@pytest.mark.parametrize("form", ["fused", "textbook"])
@pytest.mark.parametrize("space", [SMALL, AutoDeepLab(2, 3, 3, 2, free_start=True)], ids=["fixed start", "free start"])
def test_the_supernet_computes_the_formula(space, form):
    generator = torch.Generator().manual_seed(0)
    supernet = space.supernet(generator=generator).double().eval()
    supernet.set_form(form)
    trained_statistics(supernet, generator)
    weights = {
        name: OptionWeights(torch.randn(group.shape, generator=generator).double().softmax(dim=-1))
        for name, group in supernet.logits.items()
    }
    supernet.relaxation = lambda logits: weights
    x = torch.randn(2, 3, 41, 33, generator=generator).double()
    with torch.no_grad():
        for ours, theirs in zip(supernet(x), by_the_formula(supernet, x, weights), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_both_forms_have_equal_gradients_and_statistics():
    x = torch.randn(3, 3, 32, 48, generator=torch.Generator().manual_seed(0)).double()
    found = {}
    for form in ("fused", "textbook"):
        torch.manual_seed(0)
        supernet = SMALL.supernet().double()
        supernet.set_form(form)
        torch.stack([f.square().mean() for f in supernet(x)]).sum().backward()
        found[form] = (
            {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None},
            dict(supernet.named_buffers()),
        )
    for one, two in zip(*found.values(), strict=True):
        assert one.keys() == two.keys()
        for name in one:
            torch.testing.assert_close(one[name], two[name], rtol=1e-6, atol=1e-8, msg=name)


def test_all_weights_take_part_in_the_mix():
    supernet = SMALL.supernet()
    torch.stack([f.square().mean() for f in supernet(torch.randn(2, 3, 32, 32))]).sum().backward()
    assert [name for name, p in supernet.named_parameters() if p.grad is None] == []


def test_logits_pass_gradcheck():
    torch.manual_seed(0)
    supernet = AutoDeepLab(2, 3, 1, 2, ops=("none", "skip_connect", "sep_conv_3x3")).supernet().double().eval()
    supernet.set_form("textbook")
    x = torch.randn(1, 3, 16, 16).double()
    names = list(supernet.logits)
    values = [supernet.logits[name].detach().clone().requires_grad_() for name in names]

    def function(*groups):
        logits = dict(zip(names, groups, strict=True))
        supernet.relaxation = lambda _: {name: OptionWeights(g.softmax(dim=-1)) for name, g in logits.items()}
        return torch.stack([f.sum() for f in supernet(x)])

    assert torch.autograd.gradcheck(function, values)


def test_only_the_places_of_a_path_are_computed():
    supernet = SMALL.supernet()
    choices = SMALL.sample(random.Random(2))
    called = []
    for name, cell in supernet.cells.items():
        cell.register_forward_pre_hook(lambda *_, name=name: called.append(name))
    supernet.activate(choices)
    supernet(torch.randn(2, 3, 32, 32))
    assert called == [f"layer{layer}_level{level}" for layer, level in enumerate(SMALL.path(choices))]


def test_a_found_network_takes_over_what_has_a_counterpart():
    torch.manual_seed(0)
    supernet = SMALL.supernet()
    choices = SMALL.sample(random.Random(1))
    network = SMALL.network(choices)
    inherited = inherit_weights(network, supernet, choices)
    path = SMALL.path(choices)
    for layer, level in enumerate(path):
        cell = supernet.cells[f"layer{layer}_level{level}"]
        step = level - (path[layer - 1] if layer else 0)
        assert (f"cells.{layer}.newer.conv.weight" in inherited.copied) == (step < 1)
        if step < 1:
            assert torch.equal(network.cells[layer].newer.conv.weight, cell.newer[str(level - step)].conv.weight)
    assert any(name.startswith("cells.3.ops.") for name in inherited.copied)

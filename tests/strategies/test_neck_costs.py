"""Expected costs of NAS-FPN, alone and beside a searched backbone, against counted networks and enumerated choices."""

import itertools
import math
import random
from collections import Counter

import pytest
import torch
from test_terms import Model, onehot
from torch.utils._python_dispatch import TorchDispatchMode
from toy_project import project_of

from lightning_nas.cost import Call, cost_of_call
from lightning_nas.errors import ArgumentError
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Chain, FeatureInfo, FeatureLevel, NasFpn, Product
from lightning_nas.spaces.necks.nas_fpn import network as found_networks
from lightning_nas.spaces.necks.nas_fpn.pieces import piece_counts
from lightning_nas.strategies import Darts as Strategy
from lightning_nas.strategies.gradient.terms import Cost, Latency, Macs, Params

CHAIN = Chain(
    stem_channels=4, first_channels=4, widths=(4, 8), depths=(2, 2), strides=(1, 2), min_depth=1, in_channels=1,
    ops=("mbconv_k3_e3", "mbconv_k5_e6", "skip_connect"),
)  # fmt: skip
NECK = NasFpn(channels=8, cells=5, repeats=2, min_level=1, max_level=3)
FIXED = CHAIN.sample(random.Random(0))
SPACES = {
    "neck": Product({"backbone": CHAIN, "neck": NECK}, fixed={"backbone": FIXED}),
    "joint": Product({"backbone": CHAIN, "neck": NECK}),
}
SHORT = NasFpn(channels=4, cells=4, repeats=1, min_level=1, max_level=3)
SEARCHED = Product({"backbone": CHAIN, "neck": SHORT})
CALL = Call((torch.zeros(1, 1, 16, 16),))


def prepared(term, space):
    supernet = space.supernet()
    term.prepare(supernet, Model(supernet), lambda: CALL, space.sample(random.Random(0)))
    return supernet


@pytest.mark.parametrize(("name", "kind"), [("neck", "macs"), ("joint", "macs"), ("joint", "params")])
def test_the_expected_cost_of_one_architecture_is_that_of_its_whole_network(name, kind):
    space, term = SPACES[name], Cost(kind=kind, weight=1.0)
    supernet = prepared(term, space)
    counts = set()
    for seed in range(1, 6):
        choices = space.sample(random.Random(seed))
        whole = cost_of_call(Model(space.network(choices)), CALL)
        counted = whole.macs if kind == "macs" else whole.parameters
        assert float(term.expected(onehot(supernet, choices))) == pytest.approx(counted, rel=1e-6)
        counts.add(counted)
    assert len(counts) > 1


TINY = NasFpn(channels=2, cells=3, repeats=1, min_level=3, max_level=4)
INPUTS = FeatureInfo((FeatureLevel(2, 8), FeatureLevel(2, 16)))


def test_the_expected_counts_are_the_mean_over_all_architectures():
    generator = torch.Generator().manual_seed(0)
    supernet = TINY.supernet(inputs=INPUTS)
    logits = {n: 2 * torch.randn(g.shape, dtype=torch.float64, generator=generator) for n, g in supernet.logits.items()}
    for cell in range(TINY.cells):
        logits[f"pair{cell}"][0, 3:] = -math.inf  # fewer to enumerate
    mean = {name: group.softmax(-1) for name, group in logits.items()}
    rows = [(name, row) for name, group in mean.items() for row in range(len(group))]
    total = torch.zeros(4 * 2 + 2, dtype=torch.float64)
    for options in itertools.product(*(range(mean[name].shape[1]) for name, _ in rows)):
        chosen = list(zip(rows, options, strict=True))
        probability = math.prod(float(mean[name][row, option]) for (name, row), option in chosen)
        if probability == 0:
            continue
        single = {name: torch.zeros_like(group) for name, group in mean.items()}
        for (name, row), option in chosen:
            single[name][row, option] = 1
        total += probability * piece_counts(single, TINY)
    torch.testing.assert_close(piece_counts(mean, TINY), total)


class Adding(TorchDispatchMode):
    """Counts the sums and products of maps by the height of the result."""

    def __init__(self):
        super().__init__()
        self.sums, self.products = Counter(), Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten.add.Tensor, torch.ops.aten.mul.Tensor) and out.dim() == 4:
            (self.sums if func is torch.ops.aten.add.Tensor else self.products)[out.shape[-1]] += 1
        return out


@pytest.mark.parametrize("seed", range(4))
def test_the_counts_of_one_architecture_are_what_its_network_does(seed, monkeypatch):
    space = NasFpn(channels=2, cells=7, repeats=2, min_level=3, max_level=6)
    choices = space.sample(random.Random(seed))
    info = FeatureInfo([FeatureLevel(2, 2**level) for level in space.levels])
    neck = space.network(choices, inputs=info).eval()
    sizes, moved, gates, convs = [16, 8, 4, 2], Counter(), Counter(), Counter()
    resample, gate = found_networks.resample, found_networks.gate

    def resampled(x, like):
        moved[x.shape[-1], like.shape[-1]] += 1
        return resample(x, like)

    def gated(x):
        gates[x.shape[-1]] += 1
        return gate(x)

    monkeypatch.setattr(found_networks, "resample", resampled)
    monkeypatch.setattr(found_networks, "gate", gated)
    for stack in neck.stacks:
        for cell in stack.cells:
            cell.register_forward_hook(lambda module, args, out: convs.update([out.shape[-1]]))
    with torch.no_grad(), Adding() as adding:
        neck([torch.zeros(1, 2, size, size) for size in sizes])
    counts = piece_counts(onehot(space.supernet(inputs=info), choices), space).tolist()
    expected = [convs[size] for size in sizes]
    expected += [adding.sums[size] - adding.products[size] for size in sizes]
    expected += [adding.products[size] for size in sizes] + [gates[size] for size in sizes]
    expected += [moved[pair] for pair in itertools.permutations(sizes, 2)]
    assert counts == expected


def test_a_finer_level_costs_more_and_the_order_of_levels_nothing():
    term, space = Macs(weight=1.0), SPACES["neck"]
    supernet = prepared(term, space)
    logits = {name: group.detach().double().requires_grad_() for name, group in supernet.logits.items()}
    value = term.value(logits, {name: group.softmax(-1) for name, group in logits.items()})
    slopes = dict(zip(logits, torch.autograd.grad(value, list(logits.values()), allow_unused=True), strict=True))
    level = slopes["neck/level"]
    assert (level[:, 0] > 0).all()
    assert (level[:, 1] < 0).all()
    assert (level[:, 2] < level[:, 1]).all()
    assert slopes["neck/order"].abs().max() < 1e-12


@pytest.mark.parametrize(
    ("term", "space"),
    [(Params(weight=1.0), SPACES["neck"]), (Macs(weight=1.0), NasFpn(channels=8, cells=3, min_level=1, max_level=3))],
)
def test_a_cost_that_is_the_same_for_all_networks_is_refused(term, space):
    neck = (
        space if isinstance(space, Product) else Product({"backbone": CHAIN, "neck": space}, fixed={"backbone": FIXED})
    )
    with pytest.raises(
        ArgumentError, match=rf"terms.{term.kind} = 1.0: all networks of the space 'product' cost the same"
    ):
        prepared(term, neck)


def test_latency_of_a_neck_prices_resampling_as_well(monkeypatch):
    monkeypatch.setattr("lightning_nas.strategies.gradient.terms.prices.SECONDS", 0.002)
    term = Latency(weight=1.0, target=5.0)
    neck = NasFpn(channels=2, cells=3, repeats=1, min_level=1, max_level=2)
    supernet = prepared(term, Product({"backbone": CHAIN, "neck": neck}, fixed={"backbone": FIXED}))
    assert len(term.prices) == 1
    assert (term.prices[0] > 0).all()
    assert len(term.prices[0]) == 4 * 2 + 2
    mean = {name: group.softmax(-1) for name, group in supernet.logits.items()}
    slopes = torch.autograd.grad(term.value({}, mean), list(supernet.logits.values()))
    moved = {name for name, slope in zip(supernet.logits, slopes, strict=True) if slope.abs().max() > 1e-9}
    assert moved == {
        f"neck/{group}" for group in ("pair1", "pair2", "op", "level", "order")
    }  # pair0 has no choice of levels


# ---- in a search -----------------------------------------------------------------------------------------------------


def searched(weight, target=None):
    """The expected cost at the end of a search with the price, the search, and the term."""
    toy = project_of("pytorch_lightning")
    term = Macs(weight=weight, target=target)
    project = toy.Project(SEARCHED)
    project.input_size = (1, 6, 6)
    search = SearchModule(project, Strategy(lr=0.2, terms={"macs": term}), seed=0)
    toy.make_trainer(3).fit(search, BilevelDataModule(toy.Data()))
    with torch.no_grad():
        expected = float(term.expected(search.strategy.mean(search.supernet.decision_logits())))
    return expected, search, term


def test_a_strong_weight_moves_a_joint_search_to_cheap_choices_and_a_target_stops_it():
    free, _, _ = searched(1e-9)
    cheap, search, term = searched(100.0)
    assert cheap < 0.8 * free
    found = float(term.expected(onehot(search.supernet, search.choices())))
    others = [SEARCHED.sample(random.Random(seed)) for seed in range(50)]
    assert found <= min(float(term.expected(onehot(search.supernet, choices))) for choices in others)
    assert all(search.choices()[f"neck/cell{cell}.level"] == SHORT.max_level for cell in range(SHORT.free_cells))
    dear, _, _ = searched(100.0, 1.2 * free)
    assert dear == pytest.approx(1.2 * free, rel=0.05)

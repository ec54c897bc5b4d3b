"""All parts of gradient strategies: the contract that is shipped, and that every argument changes a search."""

import functools

import pytest
import pytorch_lightning as pl
import torch
from toy_project import TWO_NODES, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient import guards, perturbations, samplers, selection, terms
from lightning_nas.strategies.gradient.adapters import AuxiliarySkip, EdgeWeights, PartialChannels
from lightning_nas.strategies.gradient.short_names import GUARDS, PERTURBATIONS, SAMPLERS, SELECTIONS, STAGES, TERMS
from lightning_nas.testing import PartContract

ADAPTERS = {"partial_channels": PartialChannels, "edge_weights": EdgeWeights, "auxiliary_skip": AuxiliarySkip}
FAMILIES = (SAMPLERS, PERTURBATIONS, GUARDS, SELECTIONS, STAGES, TERMS, ADAPTERS)
PARTS = {name: kind for family in FAMILIES for name, kind in family.items()}

SOFT, HARD = samplers.GumbelSoft, samplers.GumbelHard
ADV, RS = perturbations.Adversarial, perturbations.RandomSmoothing
EV = functools.partial(guards.Eigenvalue, start=1, every=1, delay=3, window=1, factor=1.0, tolerance=0.0, iterations=3)
W = functools.partial(guards.Watch, every=1, iterations=3, tolerance=0.0)
NO_MOMENTUM = {"betas": (0.0, 0.999), "weight_decay": 0.0}

CHANGES = {  # name of a part or an argument of the strategy -> two strategies that differ in nothing else
    "sampler": [{}, {"sampler": "sigmoid"}],
    "gumbel_soft.tau_start": [{"sampler": SOFT(tau_start=1.0)}, {"sampler": SOFT(tau_start=3.0)}],
    "gumbel_soft.tau_end": [{"sampler": SOFT(tau_end=0.03)}, {"sampler": SOFT(tau_end=0.5)}],
    "gumbel_hard.tau_start": [{"sampler": HARD(tau_start=10.0)}, {"sampler": HARD(tau_start=1.0)}],
    "gumbel_hard.tau_end": [{"sampler": HARD(tau_end=0.1)}, {"sampler": HARD(tau_end=1.0)}],
    "dirichlet": [{}, {"sampler": "dirichlet"}],
    "two_paths": [NO_MOMENTUM, {"sampler": "two_paths", **NO_MOMENTUM}],
    "partial_channels.parts": [{}, {"partial_channels": 2}],
    "edge_weights": [{}, {"edge_weights": True}],
    "auxiliary_skip.start": [{"auxiliary_skip": 1.0}, {"auxiliary_skip": 0.5}],
    **{
        f"{name}.weight": [{}, {"terms": {name: 5.0}}]
        for name in ("beta_decay", "zero_one", "distance", "macs", "params")
    },
    "macs.target": [{"terms": {"a": terms.Macs(weight=5.0)}}, {"terms": {"a": terms.Macs(weight=5.0, target=1e3)}}],
    "params.target": [{"terms": {"a": terms.Params(weight=5.0)}}, {"terms": {"a": terms.Params(weight=5.0, target=9)}}],
    "random.size": [{"perturbation": RS(size=0.03)}, {"perturbation": RS(size=0.3)}],
    "adversarial.size": [{"perturbation": ADV(size=0.03)}, {"perturbation": ADV(size=0.3)}],
    "adversarial.steps": [{"perturbation": ADV(size=0.3, steps=1)}, {"perturbation": ADV(size=0.3, steps=4)}],
    "eigenvalue.every": [{"guard": EV(factor=1e-9)}, {"guard": EV(factor=1e-9, every=3)}],
    "eigenvalue.factor": [{"guard": EV(factor=1e-9)}, {"guard": EV()}],
    "eigenvalue.start": [{"guard": EV()}, {"guard": EV(start=9)}],
    "eigenvalue.iterations": [{"guard": EV(factor=1e-9)}, {"guard": EV(factor=1e-9, iterations=1)}],
    "eigenvalue.tolerance": [{"guard": EV(factor=1e-9)}, {"guard": EV(factor=1e-9, tolerance=1e9)}],
    "watch.every": [{"guard": W()}, {"guard": W(every=3)}],
    "watch.iterations": [{"guard": W()}, {"guard": W(iterations=1)}],
    "watch.tolerance": [{"guard": W()}, {"guard": W(tolerance=1e9)}],
    "oles.threshold": [{"guard": guards.Oles(threshold=-1, window=1)}, {"guard": guards.Oles(threshold=1, window=1)}],
    "oles.window": [{"guard": guards.Oles(threshold=1, window=1)}, {"guard": guards.Oles(threshold=1, window=4)}],
    "seed": [{"sampler": "dirichlet"}, {"sampler": "dirichlet", "seed": 1}],
}
ELSEWHERE = {  # arguments that test files of their own are about
    *(f"progressive.{a}" for a in ("options", "grow", "skip_dropout", "decay", "start")),
    "widening.options", "widening.partial_channels",
    *(f"perturbation.{a}" for a in ("tune_epochs", "rate", "batches", "trains_logits", "seed")),
    "latency.weight", "latency.target", "max_skips.most", "threshold.least", "eigenvalue.window", "eigenvalue.delay",
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
class TestParts(PartContract):
    @pytest.fixture
    def make(self, name):
        return PARTS[name]


def test_every_argument_of_every_part_is_looked_at():
    said = {*CHANGES, *ELSEWHERE}
    missing = [f"{n}.{a}" for n, kind in PARTS.items() for a in kind().settings() if f"{n}.{a}" not in said]
    assert missing == []
    assert isinstance(selection.Argmax(), selection.Selection)


class Data(pl.LightningDataModule):
    in_channels, image_size = 1, (6, 6)

    def __init__(self, toy):
        super().__init__()
        self.train_dataloader = toy.Data(batch_size=8).train_dataloader


@functools.cache
def toy():
    return project_of("pytorch_lightning")


KNOWN = {}


def searched(**arguments):
    """Everything that a short search has come to; equal ones are run once."""
    key = repr(arguments)
    if key not in KNOWN:
        KNOWN[key] = _searched(**arguments)
    return KNOWN[key]


def _searched(**arguments):
    search = SearchModule(toy().Project(TWO_NODES), Darts(lr=0.1, **arguments), seed=0)
    epochs, batches = (4, 2) if "guard" in arguments else (2, 1)
    toy().make_trainer(epochs, limit_train_batches=batches).fit(search, BilevelDataModule(Data(toy())))
    state = torch.cat([value.detach().flatten().double() for value in search.model.parameters()])
    return state.tolist(), search.choices(), search.strategy.record(), getattr(search.strategy.guard, "trace", None)


@pytest.mark.parametrize("name", CHANGES)
def test_an_argument_changes_a_search(name):
    before, after = CHANGES[name]
    first, second = searched(**before), searched(**after)
    assert all(value == value for value in second[0]), "all numbers are finite"
    assert first != second

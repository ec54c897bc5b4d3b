"""Every part of a gradient strategy trains in bf16, and goes where single precision goes."""

import functools

import pytest
import torch
from toy_project import SPACE, TWO_NODES, flat, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.guards import Eigenvalue, Oles

PARTS = {
    **{name: {"sampler": name} for name in ("gumbel_soft", "gumbel_hard", "dirichlet", "sigmoid")},
    "two_paths": {"sampler": "two_paths", "betas": (0.0, 0.999), "weight_decay": 0.0},
    "partial_channels": {"partial_channels": 2},
    "edge_weights": {"edge_weights": True},
    "auxiliary_skip": {"auxiliary_skip": 1.0},
    **{name: {"terms": {name: 1.0}} for name in ("beta_decay", "zero_one", "distance", "macs", "params")},
    "random": {"perturbation": "random"},
    "adversarial": {"perturbation": "adversarial"},
    "eigenvalue": {"guard": Eigenvalue(every=1, delay=1, iterations=5)},
    "oles": {"guard": Oles(threshold=-1.0, window=1)},
}


@functools.cache
def fitted(name, precision):
    """How far all parameters, and the logits alone, have moved in a short search, and the search."""
    toy = project_of("pytorch_lightning")
    project = toy.Project(TWO_NODES if name == "gumbel_hard" else SPACE)
    project.input_size = (1, 6, 6)
    search = SearchModule(project, Darts(lr=0.01, **PARTS[name]), seed=0)
    before, logits = flat(project), flat(search.supernet.logits)
    toy.make_trainer(2, limit_train_batches=2, precision=precision).fit(search, BilevelDataModule(toy.Data()))
    return flat(project) - before, flat(search.supernet.logits) - logits, search


@pytest.mark.parametrize("name", PARTS)
def test_a_part_follows_single_precision_in_bf16(name):
    *moved, search = fitted(name, "bf16-mixed")
    *expected, reference = fitted(name, "32-true")
    assert not torch.equal(moved[0], expected[0]), "it has computed in bf16"
    for ours, theirs in zip(moved, expected, strict=True):
        assert torch.isfinite(ours).all()
        assert ours.norm() > 0
        assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.9
    assert {parameter.dtype for parameter in search.model.parameters()} == {torch.float32}
    if name == "eigenvalue":
        assert search.strategy.guard.trace == pytest.approx(reference.strategy.guard.trace, rel=0.05)

"""Each step moves exactly what it should; one batch is one global step."""

import pytest
import torch
from toy_project import SPACE, TWO_NODES, flat

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.functional import gumbel_hard
from lightning_nas.strategies.gradient.terms import Macs

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def fit(toy, strategy, epochs=1, **arguments):
    trainer = toy.make_trainer(epochs)
    model = toy.Project(TWO_NODES if strategy.sampler.hard else SPACE)
    search = SearchModule(model, strategy, **arguments)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    trainer.fit(search, BilevelDataModule(toy.Data()))
    return trainer, model, before


def moved(model, before):
    changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    return {"logits" if "logits" in name else "weights" for name in changed}


@pytest.mark.parametrize(
    "strategy",
    [Darts(), Darts(order=2), Darts(level="single"), Darts(sampler="gumbel_hard")],
    ids=["first", "second", "single", "gdas"],
)
def test_weights_and_logits_move_and_a_batch_is_a_global_step(toy, strategy):
    trainer, model, before = fit(toy, strategy)
    assert moved(model, before) == {"logits", "weights"}
    assert trainer.global_step == 3  # 24 images in each half, batches of 8


def test_during_warm_up_the_logits_rest(toy):
    _, model, before = fit(toy, Darts(), warmup_epochs=1)
    assert moved(model, before) == {"weights"}


def test_every_argument_changes_the_result(toy):
    results = []
    for strategy, arguments in (
        (Darts(), {}),
        (Darts(order=2), {}),
        (Darts(order=2, hessian="exact"), {}),
        (Darts(order=2, xi=0.5), {}),
        (Darts(level="single"), {}),
        (Darts(lr=0.01), {}),
        (Darts(weight_decay=0.1), {}),
        (Darts(), {"accumulate_grad_batches": 2}),
        (Darts(), {"gradient_clip_val": 0.01}),
        (Darts(), {"arch_every_n_steps": 2}),
    ):
        _, model, _ = fit(toy, strategy, **arguments)
        results.append(flat(model))
    for index, first in enumerate(results):
        for second in results[index + 1 :]:
            assert not torch.equal(first, second)


def test_the_same_seed_gives_the_same_result(toy):
    first, second = (fit(toy, Darts(sampler="gumbel_hard", seed=3))[1].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_gdas_value_is_the_hard_choice_and_every_logit_gets_a_gradient():
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    sampled = gumbel_hard(logits, 1.0, torch.Generator().manual_seed(1))
    assert sampled.active is not None
    for edge, (option,) in enumerate(sampled.active):
        assert sampled.values[edge].detach().sum().item() == pytest.approx(1.0)
        assert sampled.values[edge, option].item() == pytest.approx(1.0)
    sum(sampled.values[edge, option] for edge, (option,) in enumerate(sampled.active)).backward()
    assert (logits.grad != 0).all()


def test_a_loss_that_is_not_finite_stops_with_its_place(toy):
    class Broken(toy.Project):
        def training_step(self, batch, batch_idx):
            return super().training_step(batch, batch_idx) * float("nan")

    with pytest.raises(FloatingPointError, match="epoch 0, batch 0"):
        toy.make_trainer().fit(SearchModule(Broken(), Darts()), BilevelDataModule(toy.Data()))


@pytest.mark.parametrize("accelerator", ["cpu", pytest.param("gpu", marks=[pytest.mark.gpu, NO_GPU])])
def test_prices_are_taken_on_the_device_of_the_search(toy, accelerator):
    places = []

    class Noting(Macs):
        def prepare(self, supernet, model, call, choices):
            places.append(next(supernet.parameters()).device)

        def value(self, logits, mean):
            return next(iter(mean.values())).sum()

    class Project(toy.Project):
        def to(self, device):
            places.append(device)
            return super().to(device)

    trainer = toy.make_trainer(1, accelerator=accelerator)
    trainer.fit(SearchModule(Project(), Darts(terms={"noting": Noting(weight=1.0)})), BilevelDataModule(toy.Data()))
    assert places[:2] == [trainer.strategy.root_device] * 2

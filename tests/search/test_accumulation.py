"""N accumulated batches are one step of the weights and one of the logits, as one batch of N times the size."""

import pytest
import torch
from toy_project import dataset

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts

STRATEGIES = {
    "first": Darts(lr=0.05),
    "second": Darts(order=2, lr=0.05),
    "second, exact": Darts(order=2, hessian="exact", lr=0.05),
    "one level": Darts(level="single", lr=0.05),
}


def searched(toy, strategy, batch_size, accumulate, model=None, data=None, **arguments):
    model = (model or toy.Project(batch_norm=False)).double()
    trainer = toy.make_trainer(2, precision="64-true", accumulate_grad_batches=accumulate)
    search = SearchModule(model, strategy, **arguments)
    trainer.fit(search, BilevelDataModule(data or toy.Data(batch_size)))
    return trainer, search


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_group_of_batches_steps_as_one_large_batch(toy, kind):
    (trainer, small), (_, large) = (searched(toy, STRATEGIES[kind], size, n) for size, n in ((4, 3), (12, 1)))
    assert trainer.global_step == small._counts["arch_step"] == 4
    assert small._counts["batch"] == 12
    state = large.state_dict()
    for name, value in small.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-9, atol=1e-11, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize(
    "strategy", [Darts(), Darts(level="single"), Darts(sampler="gumbel_hard")], ids=["bi", "single", "gdas"]
)
def test_the_last_group_of_an_epoch_may_be_smaller(toy, strategy):
    trainer, search = searched(toy, strategy, 8, 2)
    assert trainer.global_step == search._counts["arch_step"] == 4  # two groups of three batches, in two epochs


def test_arch_every_n_steps_counts_weight_steps(toy):
    _, search = searched(toy, Darts(), 4, 2, arch_every_n_steps=3)
    assert search._counts["arch_step"] == 2  # of three weight steps in every epoch, the first


def test_the_schedule_of_accumulation_is_followed(toy):
    scheduler = toy.pl.callbacks.GradientAccumulationScheduler({0: 1, 1: 3})
    trainer = toy.make_trainer(2, callbacks=[scheduler])
    search = SearchModule(toy.Project(), Darts())
    trainer.fit(search, BilevelDataModule(toy.Data()))
    assert trainer.global_step == search._counts["arch_step"] == 3 + 1


def test_every_ready_made_pair_is_its_own_step_and_cannot_be_accumulated(toy):
    class Pairs(toy.Data):
        def train_dataloader(self):
            loader = torch.utils.data.DataLoader(dataset(), 8)
            combined = toy.pl.utilities.CombinedLoader
            return combined({"weights": loader, "architecture": loader}, "min_size")

    trainer = toy.make_trainer(1)
    search = SearchModule(toy.Project(), Darts())
    trainer.fit(search, Pairs())
    assert search._counts["arch_step"] == trainer.global_step == 6
    with pytest.raises(ValueError, match=r"accumulate_grad_batches = 2.*BilevelDataModule"):
        toy.make_trainer(1, accumulate_grad_batches=2).fit(SearchModule(toy.Project(), Darts()), Pairs())

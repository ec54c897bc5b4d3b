"""Lightning's callbacks and tuners do to a search what they do to the module alone."""

import importlib

import pytest
import torch
from callback_search import fit
from torch import nn
from torch.utils.data import DataLoader
from toy_project import dataset

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stochastic_weight_averaging(toy, accumulate):
    class Keep(toy.pl.Callback):
        def __init__(self):
            self.steps, self.heads, self.arch_steps = [], [], []

        def on_train_epoch_start(self, trainer, pl_module):
            self.heads.append(pl_module.head.weight.detach().clone())

        def on_train_epoch_end(self, trainer, pl_module):
            self.steps.append(trainer.global_step)
            if isinstance(pl_module, SearchModule):
                self.arch_steps.append(pl_module._counts["arch_step"])

    def callbacks():
        return [toy.pl.callbacks.StochasticWeightAveraging(0.01, swa_epoch_start=1, annealing_epochs=1), Keep()]

    plain = toy.make_trainer(3, callbacks=callbacks(), accumulate_grad_batches=accumulate)
    plain.fit(toy.Project(), DataLoader(dataset(24), 8))
    trainer, search = fit(toy, toy.Project(), 3, callbacks=callbacks(), accumulate_grad_batches=accumulate)
    kept, steps = next(c for c in trainer.callbacks if isinstance(c, Keep)), 3 if accumulate == 1 else 2
    assert kept.steps == next(c for c in plain.callbacks if isinstance(c, Keep)).steps
    assert kept.arch_steps == [steps, 2 * steps, 3 * steps, 3 * steps]  # a fourth epoch only passes through the data
    torch.testing.assert_close(kept.heads[3], sum(kept.heads[:3]) / 3)  # as each epoch begins
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)
    norms = [m for m in search.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {int(m.num_batches_tracked) for m in norms} <= {0, 3}
    assert max(int(m.num_batches_tracked) for m in norms) == 3


def test_averaging_by_ema(toy):
    ema = toy.pl.callbacks.EMAWeightAveraging(decay=0.5)
    heads = []

    class Keep(toy.pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            heads.append(pl_module.model.head.weight.detach().clone())

    model = toy.Project()
    fit(toy, model, callbacks=[Keep(), ema])
    expected = heads[0]
    for head in heads[1:]:
        expected = expected.lerp(head, 0.5)
    torch.testing.assert_close(model.head.weight, expected)


@pytest.mark.parametrize("resume", [False, True])
def test_a_backbone_is_thawed_without_its_logits(toy, tmp_path, resume):
    class Small(toy.Project):
        def configure_optimizers(self):
            return torch.optim.SGD([p for p in self.parameters() if p.requires_grad], 0.05)

    moved = []

    class Keep(toy.pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            logits, stem = next(iter(pl_module.supernet.logits.values())), pl_module.backbone.macro.stem[0].weight
            moved.append((logits.detach().clone(), stem.detach().clone()))
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    def run(epochs, checkpoint=None):
        thaw = toy.pl.callbacks.BackboneFinetuning(1, initial_denom_lr=1.0)
        trainer = toy.make_trainer(epochs, callbacks=[thaw, Keep()])
        search = SearchModule(Small(), Darts(lr=0.05))
        trainer.fit(search, BilevelDataModule(toy.Data()), ckpt_path=checkpoint)
        return trainer, search

    trainer, search = run(2)
    if resume:
        moved.clear()
        trainer, search = run(3, tmp_path / "1.ckpt")
    stepped = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert not any(id(p) in stepped for p in search.supernet.logits.values())
    assert all(id(p) in stepped for p in search.supernet.weights().values())
    if not resume:
        assert torch.equal(moved[0][1], Small().backbone.macro.stem[0].weight)  # frozen in the first epoch
        assert not torch.equal(moved[1][1], moved[0][1])
        assert not torch.equal(moved[1][0], moved[0][0])  # the logits move all the time
        assert not torch.equal(moved[0][0], next(iter(Small().backbone.logits.values())))


def test_callbacks_find_the_attributes_of_the_module(toy):
    class Named(toy.Project):
        width = 3

    found = []

    class Ask(toy.pl.Callback):
        def on_train_start(self, trainer, pl_module):
            found.append((pl_module.width, pl_module.head.out_features, hasattr(pl_module, "nothing")))

    fit(toy, Named(), callbacks=[Ask()])
    assert found == [(3, 3, False)]


# ---- tuners -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hyperparameter", [True, False])
def test_the_learning_rate_is_found_and_set(toy, tmp_path, hyperparameter):
    tuner = importlib.import_module(f"{toy.pl.__name__}.tuner").Tuner

    class Tuned(toy.Project):
        def __init__(self, lr=0.1):
            super().__init__()
            if hyperparameter:
                self.save_hyperparameters()
            else:
                self.lr = lr

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.hparams.lr if hyperparameter else self.lr)

    model = Tuned()
    search = SearchModule(model, Darts(lr=0.05))
    before = {name: value.clone() for name, value in search.state_dict().items()}
    trainer = toy.make_trainer(30, default_root_dir=tmp_path)
    found = tuner(trainer).lr_find(search, BilevelDataModule(toy.Data()), num_training=16, early_stop_threshold=None)
    assert (model.hparams.lr if hyperparameter else model.lr) == found.suggestion() != 0.1
    assert len(found.results["lr"]) == 16
    after = search.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_batch_size_is_scaled(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(
        f"{toy.pl.__name__}.tuner.batch_size_scaling.garbage_collection_cuda", lambda: None
    )  # 0.4 s each
    tuner = importlib.import_module(f"{toy.pl.__name__}.tuner").Tuner
    seen = []

    class Sized(toy.Project):
        def training_step(self, batch, batch_idx):
            seen.append(len(batch[0]))
            return super().training_step(batch, batch_idx)

    class Validated(toy.Data):
        def val_dataloader(self):
            return DataLoader(dataset(8), self.batch_size)

    data = Validated()
    search = SearchModule(Sized(), Darts())
    size = tuner(toy.make_trainer(1, default_root_dir=tmp_path)).scale_batch_size(
        search, datamodule=BilevelDataModule(data), init_val=2, max_trials=3, steps_per_trial=1
    )
    assert size == data.batch_size == 8
    assert {4, 8} <= set(seen)

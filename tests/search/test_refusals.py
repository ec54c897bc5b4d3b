"""What cannot be searched is refused before it begins, with what to do instead."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.demos.boring_classes import BoringModel
from torch import nn
from toy_project import FAMILIES, project_of

from lightning_nas import strategies
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.search.wrapping.refusals import check_trainer
from lightning_nas.spaces import Darts as Space
from lightning_nas.strategies import Darts

TOY = project_of(FAMILIES[0])


class Manual(TOY.Project):
    automatic_optimization = False


class Fetching(TOY.Project):
    def training_step(self, dataloader_iter):
        """Takes its batches itself."""


class Stepless(TOY.pl.LightningModule):
    def configure_optimizers(self):
        """Of nothing."""


def lazy():
    model = TOY.Project()
    model.head = nn.LazyLinear(3)
    return model


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (Manual, ValueError, r"automatic optimization, got Manual without: a search needs the loss"),
        (Fetching, ValueError, r"Fetching.training_step takes dataloader_iter"),
        (Stepless, ValueError, "Stepless defines no training_step"),
        (lazy, ValueError, r"head.weight, head.bias of Project have no shape yet \(lazy modules\); run one batch"),
        (lambda: TOY.Project, TypeError, r"got the class Project: make one, Project\(\.\.\.\)"),
        (lambda: Space(channels=2, cells=1).supernet(), TypeError, r"put it into a LightningModule"),
        (lambda: SimpleNamespace(_orig_mod=1), TypeError, r"torch.compile: pass the module itself"),
        (lambda: "darts", TypeError, "got str"),
        (BoringModel, ValueError, r"exactly one Supernet, found 0 in BoringModel.*supernet\(\)"),
    ],
)
def test_modules(model, error, said):
    with pytest.raises(error, match=said):
        SearchModule(model(), Darts())


def test_two_supernets():
    model = TOY.Project()
    model.other = Space(channels=2, cells=1).supernet()
    with pytest.raises(ValueError, match=r"found 2 in Project.*product of spaces"):
        SearchModule(model, Darts())


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (Darts, r"got the class Darts: make one, Darts\(\)"),
        ("darts", r"e.g. lightning_nas.strategies.Darts\(\), got 'darts'"),
        (None, "got None"),
        (strategies.SinglePath(), r"got SinglePath, which trains paths.*SampledPaths\(seed=0\)"),
        (strategies.Rsps, r"got Rsps, which trains paths"),
        (strategies.Enas(), r"got Enas, which trains a controller.*ControllerPhase"),
        (strategies.RandomSearch(Space()), r"got RandomSearch, an Optuna sampler.*optuna.create_study"),
        (strategies.RegularizedEvolution, r"got RegularizedEvolution, an Optuna sampler"),
    ],
)
def test_strategies(strategy, said):
    with pytest.raises(TypeError, match=said):
        SearchModule(TOY.Project(), strategy)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"warmup_epochs": -1}, "warmup_epochs must be at least 0, got -1"),
        ({"arch_every_n_steps": 0}, "arch_every_n_steps must be at least 1, got 0"),
        ({"accumulate_grad_batches": -2}, "accumulate_grad_batches must be at least 1, got -2"),
        ({"gradient_clip_algorithm": "max"}, "gradient_clip_algorithm must be 'norm' or 'value', got 'max'"),
    ],
)
def test_arguments(arguments, said):
    with pytest.raises(ValueError, match=said):
        SearchModule(TOY.Project(), Darts(), **arguments)


@pytest.mark.parametrize("count", [0, 2])
def test_optimizers(toy, count):
    class Several(toy.Project):
        def configure_optimizers(self):
            return [torch.optim.SGD(part.parameters(), 0.1) for part in (self.head, self.backbone)[:count]] or None

    with pytest.raises(ValueError, match=f"must give one optimizer, got {count}: put the parameters into groups"):
        toy.make_trainer(1).fit(SearchModule(Several(), Darts()), BilevelDataModule(toy.Data()))


@pytest.mark.parametrize("name", ["FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"])
def test_strategies_of_a_trainer_that_shard(toy, name):
    class Own(getattr(toy.pl.strategies, name)):
        def __init__(self):
            """Needs no devices."""

    with pytest.raises(ValueError, match=rf"{name}, which shards parameters.*strategy='ddp'"):
        check_trainer(SimpleNamespace(strategy=Own()))


def test_a_skipped_batch_among_several_ranks(toy, monkeypatch):
    class Skipping(toy.Project):
        def training_step(self, batch, batch_idx):
            return None

    monkeypatch.setattr("lightning_nas.search.gradient.module.is_distributed", lambda: True)
    with pytest.raises(RuntimeError, match="training_step returned None on the architecture half in epoch 0, batch 0"):
        toy.make_trainer(1).fit(SearchModule(Skipping(), Darts()), BilevelDataModule(toy.Data()))


def test_a_step_that_returns_something_else(toy):
    class Odd(toy.Project):
        def training_step(self, batch, batch_idx):
            return {"objective": super().training_step(batch, batch_idx)}

    with pytest.raises(TypeError, match="a loss tensor, a dict with 'loss', or None"):
        toy.make_trainer(1).fit(SearchModule(Odd(), Darts()), BilevelDataModule(toy.Data()))

"""Trainers, modules, data modules, callbacks and loggers of either package of Lightning, in any combination."""

import copy
import itertools

import pytest
import torch
from processes import run_code
from torch.utils.data import DataLoader
from toy_project import FAMILIES, dataset, project_of

from lightning_nas.search import BilevelDataModule, SampledPaths, SearchModule, WeightsHalf
from lightning_nas.search.lightning.families import LightningModule, family_of
from lightning_nas.strategies import Darts


@pytest.mark.parametrize(("trainer", "module", "data", "rest"), list(itertools.product(FAMILIES, repeat=4)))
@pytest.mark.parametrize("level", ["bi", "single"])
def test_everything_goes_with_everything(tmp_path, trainer, module, data, rest, level):
    class Validated(project_of(data).Data):
        def val_dataloader(self):
            return DataLoader(dataset(8), self.batch_size)

    rest = project_of(rest).pl
    run = project_of(trainer).make_trainer(
        1,
        callbacks=[rest.callbacks.ModelCheckpoint(tmp_path, monitor="val/loss"), rest.callbacks.LearningRateMonitor()],
        logger=rest.loggers.CSVLogger(tmp_path, name="", version=""),
        enable_checkpointing=True,
        default_root_dir=tmp_path,
        log_every_n_steps=1,
        num_sanity_val_steps=1,
    )
    search = SearchModule(project_of(module).Project(), Darts(level=level))
    before = search.supernet.logits["reduce"].detach().clone()
    run.fit(search, BilevelDataModule(Validated()) if level == "bi" else Validated())
    assert run.global_step == (3 if level == "bi" else 6)
    assert not torch.equal(search.supernet.logits["reduce"], before)
    assert {"train/loss", "val/loss"} <= set(run.callback_metrics)
    assert "lr-SGD" in (tmp_path / "metrics.csv").read_text()
    assert list(tmp_path.glob("*.ckpt"))  # where the callback was told to write
    assert run.validate(search, datamodule=Validated(), verbose=False)[0]["val/loss"] > 0


@pytest.mark.parametrize("trainer", FAMILIES)
@pytest.mark.parametrize("data", FAMILIES)
def test_callbacks_that_train_paths_work_under_both(trainer, data):
    """The module is the user's own, so it has to be of the Trainer's package."""
    project = project_of(trainer)
    run = project.make_trainer(1, callbacks=[SampledPaths(seed=0)])
    run.fit(project.Project(), WeightsHalf(project_of(data).Data()))
    assert run.global_step == 3


def test_what_is_not_overridden_is_not_seen_as_overridden(toy):
    class Overriding(toy.Project):
        def optimizer_step(self, epoch, batch_idx, optimizer, closure):
            optimizer.step(closure=closure)

    is_overridden = toy.pl.utilities.model_helpers.is_overridden
    search, other = SearchModule(toy.Project(), Darts()), SearchModule(Overriding(), Darts())
    search.trainer = other.trainer = toy.make_trainer()
    names = ("validation_step", "test_step", "predict_step", "val_dataloader", "optimizer_step", "backward")
    assert [name for name in names if is_overridden(name, search)] == ["validation_step"]
    assert [name for name in names if is_overridden(name, other)] == ["validation_step", "optimizer_step"]


def test_methods_are_those_of_the_package_of_the_trainer(toy):
    search = SearchModule(project_of(FAMILIES[0]).Project(), Darts())
    search.trainer = toy.make_trainer()
    assert family_of(search.trainer) is toy.pl
    assert search.log.__func__ is toy.pl.LightningModule.log
    assert (
        copy.deepcopy(search).log.__func__ is project_of(FAMILIES[0]).pl.LightningModule.log
    )  # copies have no Trainer
    assert isinstance(search, toy.pl.LightningModule)
    assert issubclass(LightningModule, toy.pl.LightningModule)


def test_a_module_that_overrides_log_logs_through_its_own(toy):
    class Prefixed(toy.Project):
        def log(self, name, value, **arguments):
            super().log(f"mine/{name}", value, **arguments)

    trainer = toy.make_trainer(1)
    trainer.fit(SearchModule(Prefixed(), Darts()), BilevelDataModule(toy.Data()))
    assert "mine/train/loss" in trainer.callback_metrics


def test_a_search_with_a_generator_can_be_copied(toy):
    """``StochasticWeightAveraging`` and ``EMAWeightAveraging`` do so."""
    search = SearchModule(toy.Project(), Darts(sampler="gumbel_hard"))
    clone = copy.deepcopy(search)
    assert clone.supernet is clone.model.backbone
    assert clone.supernet is not search.supernet
    assert clone._logits.parameters[0] is next(iter(clone.supernet.logits.values()))


ALONE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from toy_project import project_of
toy = project_of({family!r})
from lightning_nas import BilevelDataModule, SearchModule
from lightning_nas.search import SampledPaths, WeightsHalf
from lightning_nas.strategies import Darts
trainer = toy.make_trainer(1)
search = SearchModule(toy.Project(), Darts())
trainer.fit(search, BilevelDataModule(toy.Data()))
assert trainer.global_step == 3
assert search.architecture().hash
assert toy.pl.LightningModule in type(search).__mro__, type(search).__mro__
trainer = toy.make_trainer(1, callbacks=[SampledPaths(seed=0)])
trainer.fit(toy.Project(), WeightsHalf(toy.Data()))
assert not [name for name in sys.modules if name.partition(".")[0] in {missing!r}]
print("searched")
"""


@pytest.mark.parametrize(
    ("family", "missing"),
    [("pytorch_lightning", {"lightning"}), ("lightning.pytorch", {"pytorch_lightning", "lightning_fabric"})],
)
def test_one_package_is_enough(tmp_path, family, missing):
    code = ALONE.format(family=family, missing=missing)
    forgotten = ("lightning_nas", "toy_project", "lightning", "pytorch_lightning", "lightning_fabric")
    assert run_code(code, tmp_path, forgotten=forgotten).splitlines()[-1] == "searched"

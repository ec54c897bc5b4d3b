"""A user's data module sees the Trainer, and all that it does is done, behind one of ours too."""

import pytest
import torch
from torch.utils.data import DataLoader
from toy_project import FAMILIES, dataset, project_of

from lightning_nas.search import BilevelDataModule, ScreeningData, SearchModule, WeightsHalf
from lightning_nas.search.paths.minibatch import judging
from lightning_nas.strategies import Darts


def name_of(stage):
    return str(getattr(stage, "value", stage))


def recording(toy):
    class Recording(toy.pl.LightningDataModule):
        """Asks for its Trainer as torchgeo and lightning-hydra-template do: without one, images stay as they are."""

        def __init__(self, batch_size=8, width=3):
            super().__init__()
            self.save_hyperparameters()
            self.batch_size, self.events, self.epochs = batch_size, [], 0
            self.prepare_data_per_node = False

        def prepare_data(self):
            self.events.append("prepare_data")

        def setup(self, stage):
            self.events.append(("setup", name_of(stage), self.trainer is not None))

        def on_before_batch_transfer(self, batch, dataloader_idx):
            self.events.append(("before", len(batch)))
            return batch

        def on_after_batch_transfer(self, batch, dataloader_idx):
            if self.trainer is None:
                return batch
            stage = "train" if self.trainer.training else "validate"
            self.events.append(("after", stage))
            return batch[0] / 255, batch[1]

        def _loader(self, **arguments):
            images, labels = dataset().tensors
            data = torch.utils.data.TensorDataset(images * 255, labels)
            return DataLoader(data, batch_size=self.batch_size, **arguments)

        def train_dataloader(self):
            return self._loader(shuffle=True)

        def val_dataloader(self):
            return self._loader()

        def predict_dataloader(self):
            return self._loader()

        def teardown(self, stage):
            self.events.append(("teardown", name_of(stage)))

        def state_dict(self):
            return {"epochs": self.epochs + 1}

        def load_state_dict(self, state_dict):
            self.epochs = state_dict["epochs"]

        def on_exception(self, exception):
            self.events.append(("exception", str(exception)))

    return Recording


def largest(toy):
    class Largest(toy.Project):
        pixel = 0.0

        def training_step(self, batch, batch_idx):
            assert float(batch[0].abs().max()) < 10, "the images were not normalised"
            return super().training_step(batch, batch_idx)

        def predict_step(self, batch, batch_idx):
            return self.head(self.backbone(batch[0])[-1].mean((2, 3)))

    return Largest()


@pytest.mark.parametrize("package", FAMILIES)
def test_every_hook_of_a_data_module_is_called_with_its_trainer(toy, tmp_path, package):
    data = recording(project_of(package))()
    search, halves = SearchModule(largest(toy), Darts()), BilevelDataModule(data)
    assert not halves.prepare_data_per_node
    trainer = toy.make_trainer(1, num_sanity_val_steps=1)
    trainer.fit(search, halves)
    assert data.events[:2] == ["prepare_data", ("setup", "fit", True)]
    assert data.events[-1] == ("teardown", "fit")
    assert data.events.count(("after", "train")) == 6
    assert data.events.count(("after", "validate")) == 7
    assert data.events.count(("before", 2)) == 13
    assert data.trainer is trainer
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    resumed = recording(project_of(package))()
    other = toy.make_trainer(2)
    other.fit(SearchModule(largest(toy), Darts()), BilevelDataModule(resumed), ckpt_path=tmp_path / "last.ckpt")
    assert resumed.epochs == 1
    assert len(other.predict(search, BilevelDataModule(data))) == 6
    with pytest.raises(toy.pl.utilities.exceptions.MisconfigurationException, match="test_step"):
        other.test(search, BilevelDataModule(data))


def test_an_exception_is_told(toy):
    class Failing(toy.Project):
        def training_step(self, batch, batch_idx):
            raise RuntimeError("on purpose")

    data = recording(toy)()
    with pytest.raises(RuntimeError, match="on purpose"):
        toy.make_trainer(1).fit(SearchModule(Failing(), Darts()), BilevelDataModule(data))
    assert ("exception", "on purpose") in data.events


def test_hyperparameters_of_both_are_logged_and_saved(toy, tmp_path):
    class Saving(toy.Project):
        def __init__(self, lr=0.1, seed=5):
            super().__init__()
            self.save_hyperparameters()

    logger = toy.pl.loggers.CSVLogger(tmp_path, name="", version="")
    search = SearchModule(Saving(lr=0.2), Darts())
    trainer = toy.make_trainer(1, logger=logger)
    trainer.fit(search, BilevelDataModule(recording(toy)(width=4)))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    text = (tmp_path / "hparams.yaml").read_text()
    assert {"lr: 0.2", "seed: 5", "width: 4", "batch_size: 8"} == set(text.split("\n")) - {""}
    assert dict(search.hparams) == {"lr": 0.2, "seed": 5}
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert checkpoint["hyper_parameters"] == {"lr": 0.2, "seed": 5}
    assert checkpoint["datamodule_hyper_parameters"] == {"batch_size": 8, "width": 4}

    again = SearchModule.load_from_checkpoint(
        tmp_path / "last.ckpt", weights_only=False, model=Saving(), strategy=Darts()
    )
    assert again.seed == 0  # its own, and not the hyperparameter of the wrapped module
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in search.state_dict().items())
    with pytest.raises(TypeError, match=r"needs model and strategy.*SearchModule\.load_from_checkpoint"):
        SearchModule.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=False)


def test_what_is_asked_of_the_data_module_is_answered_by_the_users(toy):
    data = recording(toy)()
    halves = BilevelDataModule(data, seed=3)
    assert halves.batch_size == 8
    halves.batch_size = 4
    assert data.batch_size == 4
    halves.seed = 5
    assert not hasattr(data, "seed")
    with pytest.raises(AttributeError, match="'BilevelDataModule' object has no attribute 'nothing'"):
        halves.nothing  # noqa: B018


@pytest.mark.parametrize("make", [WeightsHalf, lambda data: ScreeningData(data, batches=1)])
def test_hooks_are_called_behind_the_other_data_modules(toy, make):
    data = recording(toy)()
    trainer = toy.make_trainer(1, num_sanity_val_steps=1)
    trainer.fit(largest(toy), make(data))
    assert data.events[1] == ("setup", "fit", True)
    assert ("after", "train") in data.events
    assert ("after", "validate") in data.events


def test_hooks_are_called_for_the_minibatches_of_a_controller(toy):
    data, model = recording(toy)(), largest(toy)
    trainer, halves = toy.make_trainer(1), WeightsHalf(data)
    trainer.fit(model, halves)
    data.events.clear()
    with judging(trainer, model, own_statistics=False) as validate:
        assert validate(next(iter(halves.architecture_dataloader())))["val/loss"] > 0
    assert data.events == [("before", 2), ("after", "validate")]

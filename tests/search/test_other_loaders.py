"""What brings batches and is no data module: the module's own loaders, plain loaders, iterable data."""

import pytest
import torch
from torch.utils.data import DataLoader
from toy_project import FAMILIES, dataset, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def name_of(stage):
    return str(getattr(stage, "value", stage))


def with_loaders(toy):
    class WithLoaders(toy.Project):
        def __init__(self):
            super().__init__()
            self.events = []

        def prepare_data(self):
            self.events.append("prepare_data")

        def setup(self, stage):
            self.events.append(("setup", name_of(stage)))

        def teardown(self, stage):
            self.events.append(("teardown", name_of(stage)))

        def train_dataloader(self):
            assert ("setup", "fit") in self.events
            assert self.trainer is not None
            return DataLoader(dataset(), 8, shuffle=True)

        def val_dataloader(self):
            return DataLoader(dataset(8), 8)

    return WithLoaders()


@pytest.mark.parametrize("same", [True, False])
def test_a_module_that_brings_its_own_loaders(toy, same):
    model = with_loaders(toy)
    source = model if same else with_loaders(toy)
    trainer = toy.make_trainer(1)
    trainer.fit(SearchModule(model, Darts()), BilevelDataModule(source))
    assert trainer.global_step == 3
    assert "val/loss" in trainer.callback_metrics
    for module in {model, source}:
        assert module.events == ["prepare_data", ("setup", "fit"), ("teardown", "fit")]


def test_a_module_that_brings_its_own_loaders_on_one_level(toy):
    trainer = toy.make_trainer(1)
    trainer.fit(SearchModule(with_loaders(toy), Darts(level="single")))
    assert trainer.global_step == 6


def test_loaders_of_training_batches(toy):
    trainer = toy.make_trainer(1)
    loader = DataLoader(dataset(), 8, shuffle=True)
    trainer.fit(
        SearchModule(toy.Project(), Darts()), BilevelDataModule(loader, val_dataloaders=DataLoader(dataset(8), 8))
    )
    assert trainer.global_step == 3
    assert "val/loss" in trainer.callback_metrics
    halves = {"weights": DataLoader(dataset(), 8), "architecture": DataLoader(dataset(16), 4)}
    trainer = toy.make_trainer(1)
    trainer.fit(SearchModule(toy.Project(), Darts()), BilevelDataModule(halves))
    assert trainer.global_step == 4


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter([(image, label) for image, label in zip(*dataset().tensors, strict=True)])


class Batches:
    """Makes batches without being a DataLoader."""

    def __iter__(self):
        return iter(DataLoader(dataset(), 8))


def test_iterable_data_are_taken_in_two_loaders_and_refused_in_one(toy):
    class Streams(toy.Data):
        def train_dataloader(self):
            return {"weights": DataLoader(Stream(), 8), "architecture": Batches()}

    class One(toy.Data):
        def train_dataloader(self):
            return DataLoader(Stream(), 8)

    for accumulate in (1, 4):
        trainer = toy.make_trainer(2, accumulate_grad_batches=accumulate)
        search = SearchModule(toy.Project(), Darts())
        trainer.fit(search, BilevelDataModule(Streams()))
        assert trainer.global_step == 12 // (1 if accumulate == 1 else 3)  # six batches are two groups of at most four
        assert search._counts["arch_step"] == trainer.global_step
    with pytest.raises(TypeError, match=r"Stream is iterable.*\{'weights': loader, 'architecture': loader\}"):
        toy.make_trainer(1).fit(SearchModule(toy.Project(), Darts()), BilevelDataModule(One()))
    with pytest.raises(TypeError, match=r"mode = 'max_size_cycle': the weights half has no length"):
        BilevelDataModule(Streams(), mode="max_size_cycle").train_dataloader()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("cifar10", "got str"),
        (dataset(), "got TensorDataset"),
        (project_of(FAMILIES[0]).Data, "got the class Data"),
        (project_of(FAMILIES[0]).Project(), "got Project"),
    ],
)
def test_what_brings_no_batches_is_refused(data, said):
    with pytest.raises(TypeError, match=f"LightningDataModule.*{said}"):
        BilevelDataModule(data)


def test_batches_that_are_not_divided_say_what_to_do(toy):
    with pytest.raises(TypeError, match=r"fit\(search, BilevelDataModule\(your data module, loader or module\)\)"):
        toy.make_trainer().fit(SearchModule(toy.Project(), Darts()), toy.Data())

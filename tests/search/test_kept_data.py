"""Batches that are read once and given out many times."""

import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset
from toy_paths import Data, Task, make_trainer

from lightning_nas.search.data.kept import KeptBatches, KeptData, size_of
from lightning_nas.search.lightning.families import LightningDataModule
from lightning_nas.search.paths import shared_weights
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.spaces import NasBench201


class Counted(Dataset):
    """Eight images of two numbers; counts how often one is read."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return 8

    def __getitem__(self, index):
        self.read += 1
        return torch.tensor([float(index), torch.rand(()).item()])


class Stream(IterableDataset):
    def __iter__(self):
        return iter([torch.zeros(1)])


def all_of(batches):
    return torch.cat(list(batches))


def test_every_batch_is_read_once_and_each_pass_gets_a_copy():
    data = Counted()
    batches = KeptBatches(DataLoader(data, batch_size=2))
    first = all_of(batches)
    for batch in batches:
        batch.zero_()
    assert torch.equal(all_of(batches), first)
    assert data.read == 8
    assert len(batches) == 4


def test_a_pass_that_ends_early_keeps_what_it_has_seen():
    data = Counted()
    batches = KeptBatches(DataLoader(data, batch_size=2))
    for _ in range(3):
        next(iter(batches))
    assert data.read == 2
    assert all_of(batches)[:, 0].tolist() == list(range(8))
    assert all_of(batches)[:, 0].tolist() == list(range(8))


@pytest.mark.parametrize("most", [0, 16, 40])
def test_what_is_too_large_is_read_every_time(most):
    data = Counted()
    batches = KeptBatches(DataLoader(data, batch_size=2), most_bytes=most)  # of 16 bytes each
    for _ in range(2):
        assert all_of(batches)[:, 0].tolist() == list(range(8))
    assert batches.gave_up
    assert data.read == 16


def test_the_size_of_a_batch_is_that_of_all_its_numbers():
    batch = {"images": [torch.zeros(2, 3), np.zeros(4, np.uint8)], "ids": (1, "a", None, True)}
    assert size_of(batch) == 28
    assert size_of([torch.zeros(2), object()]) is None
    batches = KeptBatches(DataLoader([object(), object()], batch_size=None))
    assert len(list(batches)) == 2
    assert batches.gave_up


class Several(LightningDataModule):
    """A named loader beside a list of loaders and a stream."""

    def __init__(self):
        super().__init__()
        self.data, self.made = Counted(), 0

    def train_dataloader(self):
        self.made += 1
        return {"a": DataLoader(self.data, batch_size=4), "b": [DataLoader([1.0, 2.0])]}

    def val_dataloader(self):
        self.made += 1
        return [DataLoader(Stream()), DataLoader(self.data, batch_size=4)]


def test_the_loaders_of_a_data_module_are_kept_one_by_one_and_streams_stay():
    data = KeptData(Several())
    loaders = data.train_dataloader()
    assert isinstance(loaders["a"], KeptBatches)
    assert isinstance(loaders["b"][0], KeptBatches)
    stream, images = data.val_dataloader()
    assert isinstance(stream, DataLoader)
    assert isinstance(images, KeptBatches)


def test_loaders_that_are_kept_are_asked_for_once_and_others_again():
    for most, made in ((1000, 1), (10, 3)):
        hosted = Several()
        hosted.val_dataloader = lambda hosted=hosted: hosted.train_dataloader()["a"]
        data = KeptData(hosted, most_bytes=most)
        values = [all_of(data.val_dataloader())[:, 0].tolist() for _ in range(3)]
        assert values == [list(range(8))] * 3
        assert hosted.made == made


SPACE = NasBench201(channels=2, cells=1, in_channels=1, nodes=3)


class Read(Data):
    """Counts the images that are read."""

    def __init__(self):
        super().__init__()
        self.read = 0

    def counted(self, loader):
        def collate(samples):
            self.read += len(samples)
            return [torch.stack(part) for part in zip(*samples, strict=True)]

        loader.collate_fn = collate
        return loader

    def train_dataloader(self):
        return self.counted(super().train_dataloader())

    def val_dataloader(self):
        return self.counted(super().val_dataloader())


def measured(most_bytes, monkeypatch):
    """Metric and statistics of three paths, images read, and what has measured them."""
    monkeypatch.setattr(shared_weights, "KeptData", partial(KeptData, most_bytes=most_bytes))
    supernet, data = SPACE.supernet(generator=torch.Generator().manual_seed(0)), Read()
    task = Task(SimpleNamespace(supernet=lambda: supernet))
    scores = SharedWeights(task, supernet, data, make_trainer(), None, 3, seed=0)
    rng = random.Random(0)
    values = []
    for _ in range(3):
        value = scores.measure(SPACE.sample(rng))
        running = [buffer.flatten() for name, buffer in task.named_buffers() if "running" in name]
        values.append((value, torch.cat(running)))
    return values, data.read, scores


def test_paths_are_judged_alike_whether_batches_are_kept_or_read_anew(monkeypatch):
    ours, read_once, scores = measured(2**20, monkeypatch)
    theirs, read, _ = measured(0, monkeypatch)
    for (value, running), (other, others_running) in zip(ours, theirs, strict=True):
        assert value == other
        assert torch.equal(running, others_running)
    assert read_once == 3 * 4 + 24
    assert read == 3 * read_once
    monkeypatch.setattr(scores.trainer, "validate", None)
    assert scores.metric_name({}) == "val/accuracy"  # of what was measured already

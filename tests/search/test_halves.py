"""Each half is loaded as the whole would be: its sampler, its batch size, its last batch, its workers."""

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts

COUNT = 64
CLASSES = torch.arange(COUNT) % 4
NUMBERS = TensorDataset(torch.arange(COUNT), CLASSES)


def halves_of(loader, **arguments):
    """For each half the batches of an epoch, as lists of numbers."""
    seen = {"weights": [], "architecture": []}
    for batch, _, _ in BilevelDataModule(loader, **arguments).train_dataloader():
        for half, (numbers, _) in batch.items():
            seen[half].append(numbers.tolist())
    return seen


def flat(batches):
    return [number for batch in batches for number in batch]


def test_a_shuffled_loader():
    seen = halves_of(DataLoader(NUMBERS, 8, shuffle=True))
    assert sorted(flat(seen["weights"]) + flat(seen["architecture"])) == list(range(COUNT))
    assert all(sorted(flat(half)) != flat(half) for half in seen.values())
    assert [len(batch) for batch in seen["weights"]] == [8] * 4


def test_a_loader_in_order_stays_in_order():
    seen = halves_of(DataLoader(NUMBERS, 8))
    assert all(sorted(flat(half)) == flat(half) for half in seen.values())
    assert len(flat(seen["weights"])) == 32


@pytest.mark.parametrize("drop_last", [True, False])
def test_the_last_batch_is_kept_or_dropped_as_in_the_whole(drop_last):
    seen = halves_of(DataLoader(NUMBERS, 10, shuffle=True, drop_last=drop_last))
    assert [len(batch) for batch in seen["weights"]] == ([10, 10, 10] if drop_last else [10, 10, 10, 2])
    assert [len(b) for b in halves_of(DataLoader(NUMBERS, 50, drop_last=True))["weights"]] == [32]  # the only one


def test_a_batch_sampler_of_torch_keeps_its_size():
    for drop_last, sizes in ((False, [12, 12, 8]), (True, [12, 12])):
        loader = DataLoader(NUMBERS, batch_sampler=BatchSampler(SequentialSampler(NUMBERS), 12, drop_last))
        seen = halves_of(loader)
        assert [len(batch) for batch in seen["weights"]] == sizes
        assert flat(seen["architecture"]) == sorted(flat(seen["architecture"]))
    weights = (CLASSES == 1).double()
    loader = DataLoader(NUMBERS, batch_sampler=BatchSampler(WeightedRandomSampler(weights, COUNT), 16, False))
    assert {number % 4 for number in flat(halves_of(loader)["weights"])} == {1}


def test_a_loader_without_batches_gives_samples():
    seen = halves_of(DataLoader(NUMBERS, batch_size=None, shuffle=True))
    assert all(isinstance(number, int) for number in seen["weights"])
    assert len(seen["weights"]) == 32


def test_weights_of_samples_are_kept_on_each_half():
    weights = torch.tensor([0.0, 1.0, 3.0, 0.0])[CLASSES]
    loader = DataLoader(NUMBERS, 10, sampler=WeightedRandomSampler(weights, 4000))
    data = BilevelDataModule(loader, seed=1)
    parts = dict(zip(("weights", "architecture"), map(set, data.split(NUMBERS)), strict=True))
    for half, batches in halves_of(loader, seed=1).items():
        drawn = flat(batches)
        assert len(drawn) == 2000
        assert set(drawn) <= parts[half]
        counts = np.bincount(np.asarray(drawn) % 4, minlength=4)
        assert counts[[0, 3]].tolist() == [0, 0]
        assert counts[2] / counts[1] == pytest.approx(3, rel=0.2)


def test_draws_follow_from_seed_and_epoch():
    loader = DataLoader(
        NUMBERS, 8, sampler=WeightedRandomSampler(torch.ones(COUNT), COUNT, generator=torch.Generator())
    )

    def epoch(number, seed=0):
        halves = BilevelDataModule(loader, seed=seed)
        halves._epoch = lambda: number
        return [b["weights"][0].tolist() for b, _, _ in halves.train_dataloader()]

    state = torch.get_rng_state()
    assert epoch(1) == epoch(1)
    assert epoch(1) != epoch(2)
    assert epoch(1) != epoch(1, seed=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_random_sampler_with_replacement_or_of_few():
    for sampler in (RandomSampler(NUMBERS, replacement=True, num_samples=20), RandomSampler(NUMBERS, num_samples=20)):
        drawn = flat(halves_of(DataLoader(NUMBERS, 5, sampler=sampler))["weights"])
        assert len(drawn) == 10
    many = RandomSampler(NUMBERS, replacement=True, num_samples=COUNT)
    drawn = flat(halves_of(DataLoader(NUMBERS, 8, sampler=many))["weights"])
    assert len(drawn) == 32
    assert len(set(drawn)) < 32


def test_a_subset_is_divided_and_nothing_else():
    chosen = list(range(0, 40))
    seen = halves_of(DataLoader(NUMBERS, 5, sampler=SubsetRandomSampler(chosen)))
    assert sorted(flat(seen["weights"]) + flat(seen["architecture"])) == chosen
    assert len(flat(seen["weights"])) == 20


def test_a_distributed_sampler_of_the_user_is_shared_out_anew():
    for shuffle in (True, False):
        sampler = DistributedSampler(NUMBERS, num_replicas=2, rank=1, shuffle=shuffle)
        drawn = flat(halves_of(DataLoader(NUMBERS, 8, sampler=sampler))["weights"])
        assert len(set(drawn)) == 32
        assert (drawn == sorted(drawn)) is not shuffle


class Backwards(Sampler):
    def __init__(self, count=COUNT):
        self.count, self.epoch = count, None

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(range(self.count - 1, -1, -1))

    def set_epoch(self, epoch):
        self.epoch = epoch


class Boxes(Backwards):
    def __iter__(self):
        return iter([slice(0, 1)])


class Endless(Backwards):
    __len__ = None


def test_a_sampler_of_the_user():
    seen = halves_of(DataLoader(NUMBERS, 8, sampler=Backwards()))
    assert flat(seen["weights"]) == sorted(flat(seen["weights"]), reverse=True)
    assert sorted(flat(seen["weights"]) + flat(seen["architecture"])) == list(range(COUNT))
    with pytest.raises(TypeError, match=r"Boxes draws slice.*'architecture': loader"):
        halves_of(DataLoader(NUMBERS, 8, sampler=Boxes()))
    with pytest.raises(TypeError, match="Endless has no length"):
        halves_of(DataLoader(NUMBERS, 8, sampler=Endless()))
    nobody = WeightedRandomSampler((torch.arange(COUNT) == 5).double(), COUNT)
    with pytest.raises(ValueError, match="WeightedRandomSampler draws no sample of a half"):
        halves_of(DataLoader(NUMBERS, 8, sampler=nobody))


def test_what_groups_samples_in_its_own_way_is_refused_in_words():
    class Buckets(BatchSampler):
        def __iter__(self):
            return iter([[0, 1], [2, 3]])

    class Own(DataLoader):
        def __iter__(self):
            return iter([])

    class Sharded(DistributedSampler):
        pass

    for loader, said in (
        (DataLoader(NUMBERS, batch_sampler=Buckets(SequentialSampler(NUMBERS), 2, False)), "batch_sampler = Buckets"),
        (Own(NUMBERS, 8), "Own makes its batches"),
        (DataLoader(NUMBERS, 8, sampler=Sharded(NUMBERS, 1, 0)), "Sharded shares samples out"),
    ):
        with pytest.raises(TypeError, match=said):
            BilevelDataModule(loader).train_dataloader()
        if "Sharded" not in said:  # each half by itself needs no division
            BilevelDataModule({"weights": loader, "architecture": loader}).train_dataloader()


def collate(samples):
    return torch.stack([number for number, _ in samples]) + 1000, None


def start(worker):
    """Of a worker."""


def test_all_other_arguments_of_a_loader_are_kept():
    given = {
        "num_workers": 1,
        "collate_fn": collate,
        "worker_init_fn": start,
        "prefetch_factor": 3,
        "persistent_workers": True,
        "timeout": 7,
        "multiprocessing_context": "fork",
        "in_order": False,
    }
    halves = BilevelDataModule(DataLoader(NUMBERS, 8, **given)).train_dataloader().flattened[0]
    for loader in halves.loaders.values():
        found = {name: getattr(loader, name) for name in given}
        assert found.pop("multiprocessing_context").get_start_method() == "fork"
        assert found == {name: value for name, value in given.items() if name != "multiprocessing_context"}


def test_numbers_that_are_no_classes_do_not_stratify():
    regression = TensorDataset(torch.arange(COUNT), torch.randn(COUNT))
    first, second = BilevelDataModule(DataLoader(regression, 8)).split(regression)
    assert len(first) == len(second) == 32


def test_batches_to_be_overfitted_are_the_same_in_every_epoch(toy):
    seen = []

    class Watching(toy.Project):
        def training_step(self, batch, batch_idx):
            seen.append(batch[1].tolist())
            return super().training_step(batch, batch_idx)

    trainer = toy.make_trainer(2, overfit_batches=2)
    trainer.fit(SearchModule(Watching(), Darts(level="single")), BilevelDataModule(toy.Data()))
    assert trainer.global_step == 4
    assert seen[:2] == seen[2:]

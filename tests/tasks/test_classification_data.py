"""Data modules of images: stratified splits, ImageNet, CIFAR, digits, the same batches again."""

import json
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from class_folders import names, write_images

from lightning_nas.errors import ArgumentError
from lightning_nas.search.data.loader import EpochSampler
from lightning_nas.tasks.classification import (
    Cifar10DataModule,
    Cifar100DataModule,
    DigitsDataModule,
    ImageFolderDataModule,
    ImageNetDataModule,
)
from lightning_nas.tasks.classification.data import stratified

DATA = Path(os.environ.get("NAS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


# ---- stratified ------------------------------------------------------------------------------------------------------


def test_stratified_keeps_class_shares_and_depends_on_the_seed_alone():
    targets = np.repeat([0, 1, 2], [60, 30, 10])
    chosen, rest = stratified(targets, 50, seed=3, argument="x")
    assert np.bincount(targets[chosen]).tolist() == [30, 15, 5]
    assert sorted([*chosen, *rest]) == list(range(100))
    assert np.array_equal(chosen, stratified(targets, 50, seed=3, argument="x")[0])
    assert not np.array_equal(chosen, stratified(targets, 50, seed=4, argument="x")[0])


def test_stratified_takes_none_or_all_but_not_too_many():
    targets = np.repeat([0, 1], 5)
    assert [len(part) for part in stratified(targets, 0, seed=0, argument="x")] == [0, 10]
    assert [len(part) for part in stratified(targets, 10, seed=0, argument="x")] == [10, 0]
    for count in (1, 9, 11):
        with pytest.raises(ValueError, match=f"subset = {count} chooses {count} of 10"):
            stratified(targets, count, seed=0, argument=f"subset = {count}")
    with pytest.raises(ValueError, match="class 1 has one image"):
        stratified(np.array([0, 0, 0, 0, 1]), 2, seed=0, argument="x")


# ---- ImageNet --------------------------------------------------------------------------------------------------------


def test_imagenet_reads_class_folders_and_tests_on_val(tmp_path):
    for part, count in (("train", 4), ("val", 2)):
        write_images(tmp_path / part, n01440764=count, n01443537=count)
    data = ImageNetDataModule(str(tmp_path), image_size=28, batch_size=2, num_workers=0)
    assert data.class_names == ("n01440764", "n01443537")
    data.setup()
    assert names(data.test_set) == names(data.val_set)
    assert next(iter(data.train_dataloader()))[0].shape == (2, 3, 28, 28)
    with pytest.raises(ValueError, match="root = None"):
        ImageNetDataModule()


def test_imagenet_refuses_unsorted_validation_images(tmp_path):
    write_images(tmp_path / "train", n01440764=2, n01443537=2)
    (tmp_path / "val").mkdir()
    with pytest.raises(FileNotFoundError, match="not sorted"):
        ImageNetDataModule(str(tmp_path))
    write_images(tmp_path / "val", n01440764=2)
    with pytest.raises(ValueError, match="n01443537"):
        ImageNetDataModule(str(tmp_path))


# ---- CIFAR -----------------------------------------------------------------------------------------------------------


def write_cifar(root: Path, kind, per_class: int) -> None:
    """Files in torchvision's layout; the red channel holds the class."""
    folder = root / kind.source.base_folder
    folder.mkdir()
    classes, key = kind.num_classes, "labels" if kind is Cifar10DataModule else "fine_labels"
    files = [name for name, _ in [*kind.source.train_list, *kind.source.test_list]]
    for name in files:
        labels = np.repeat(np.arange(classes), per_class)
        images = np.zeros((len(labels), 3, 32, 32), np.uint8)
        images[:, 0] = labels[:, None, None]
        (folder / name).write_bytes(pickle.dumps({"data": images.reshape(len(labels), -1), key: labels.tolist()}))
    meta = {"label_names": list(kind.class_names), "fine_label_names": list(kind.class_names)}
    (folder / kind.source.meta["filename"]).write_bytes(pickle.dumps(meta))


@pytest.mark.parametrize("kind", [Cifar10DataModule, Cifar100DataModule])
def test_cifar_is_read_from_the_files_of_torchvision(tmp_path, monkeypatch, kind):
    write_cifar(tmp_path, kind, per_class=4)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *arguments: True)
    data = kind(str(tmp_path), val_fraction=0.25, subset=2 * kind.num_classes, batch_size=8, num_workers=0)
    assert len(set(data.class_names)) == data.num_classes == kind.num_classes
    data.setup()
    files = len(kind.source.train_list)
    assert np.bincount(data.val_set.targets).tolist() == [files] * kind.num_classes
    assert np.bincount(data.train_set.targets).tolist() == [2] * kind.num_classes
    assert len(data.test_set) == 4 * kind.num_classes
    for dataset in (data.train_set, data.test_set):
        assert all(image[0, 0, 0] == label for image, label in zip(dataset.images, dataset.targets, strict=True))
    images, labels = next(iter(data.test_dataloader()))
    expected = (labels / 255 - data.mean[0]) / data.std[0]
    torch.testing.assert_close(images[:, 0, 5, 5], expected.float())


def test_all_of_cifar_trains_without_validation(tmp_path, monkeypatch):
    write_cifar(tmp_path, Cifar10DataModule, per_class=2)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *arguments: True)
    data = Cifar10DataModule(str(tmp_path), val_fraction=0.0)
    data.setup()
    assert len(data.train_set) == 100
    assert data.val_dataloader() == []


def test_missing_or_damaged_cifar_files_are_errors_that_name_the_root(tmp_path):
    with pytest.raises(ValueError, match=r"root = None.*cifar-10-batches-py"):
        Cifar10DataModule()
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}.*data_batch_1"):
        Cifar10DataModule(str(tmp_path))
    write_cifar(tmp_path, Cifar10DataModule, per_class=1)
    data = Cifar10DataModule(str(tmp_path))
    with pytest.raises(ValueError, match=f"{tmp_path}.*damaged"):
        data.setup()


@pytest.mark.skipif(not (DATA / "cifar10.tar.xz").is_file(), reason="the archive is not here")
def test_real_cifar_images_as_a_folder(tmp_path):
    with tarfile.open(DATA / "cifar10.tar.xz") as archive:
        chosen = (member for member in archive if member.name.endswith("00.jpg"))
        archive.extractall(tmp_path, members=chosen, filter="data")
    data = ImageFolderDataModule(
        str(tmp_path), augmentation="none", mean=Cifar10DataModule.mean, std=Cifar10DataModule.std, val_fraction=0.2
    )
    assert data.class_names == Cifar10DataModule.class_names
    data.setup()
    assert [np.bincount(part.targets).tolist() for part in (data.train_set, data.val_set, data.test_set)] == [
        [40] * 10,
        [10] * 10,
        [10] * 10,
    ]
    pixels = torch.stack([image for image, _ in data.train_set])
    assert pixels.mean(dim=(0, 2, 3)).abs().max() < 0.1
    assert (pixels.std(dim=(0, 2, 3)) - 1).abs().max() < 0.1


# ---- digits ----------------------------------------------------------------------------------------------------------


def test_digits_are_split_by_class_and_normalised():
    data = DigitsDataModule()
    data.setup()
    assert [len(data.train_set), len(data.val_set), len(data.test_set)] == [1077, 360, 360]
    images = torch.stack([image for image, _ in data.train_set])
    assert images.shape == (1077, 1, 8, 8)
    assert abs(float(images.mean())) < 1e-5
    assert abs(float(images.std()) - 1) < 1e-3
    assert torch.equal(data.train_set[0][0], data.train_set[0][0])


def test_light_digits_move_over_their_own_background():
    plain, light = DigitsDataModule(), DigitsDataModule(augmentation="light")
    plain.setup()
    light.setup()
    assert not torch.equal(light.train_set[0][0], plain.train_set[0][0])
    assert torch.equal(light.test_set[0][0], plain.test_set[0][0])
    background = min(float(image.min()) for image, _ in plain.train_set)
    assert min(float(light.train_set[i][0].min()) for i in range(100)) >= background - 1e-5
    with pytest.raises(ValueError, match=r"augmentation.*cifar"):
        DigitsDataModule(augmentation="cifar")


# ---- order -----------------------------------------------------------------------------------------------------------


def test_order_and_worker_seeds_follow_from_seed_and_epoch():
    def first(seed, epoch):
        order = EpochSampler(50, seed=seed)
        order.set_epoch(epoch)
        return [*order, int(torch.randint(1 << 40, (), generator=order.generator))]

    assert first(0, 3) == first(0, 3)
    started = EpochSampler(50, seed=0, epoch=3)
    assert [*started, int(torch.randint(1 << 40, (), generator=started.generator))] == first(0, 3)
    for other in (first(0, 4), first(1, 3)):
        assert first(0, 3)[:-1] != other[:-1]
        assert first(0, 3)[-1] != other[-1]


def test_the_last_smaller_batch_is_dropped_unless_it_is_the_only_one():
    data = DigitsDataModule(batch_size=1000)
    data.setup()
    assert [len(labels) for _, labels in data.train_dataloader()] == [1000]
    data = DigitsDataModule(batch_size=5000)
    data.setup()
    assert [len(labels) for _, labels in data.train_dataloader()] == [1077]


@pytest.mark.parametrize(
    ("key", "value"),
    [("resize", 10**30), ("crop", 0), ("crop", "8"), ("channels", 2), ("mean", ["a"]), ("mean", None), ("std", [0.0]),
     ("std", [float("nan")]), ("resize", None), ("mean", []), ("std", [1.0, 1.0, 1.0])],
)  # fmt: skip
def test_a_preparation_that_no_data_module_records_is_named(key, value):
    from lightning_nas.tasks.classification.preparation import Preparation

    record = Preparation(1, 8, 8, (0.5,), (0.2,)).record()
    assert Preparation.of(json.loads(json.dumps(record))).record() == record
    with pytest.raises(ArgumentError, match=f"preparation: {key}"):
        Preparation.of({**record, key: value})

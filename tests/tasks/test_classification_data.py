"""Data modules of images: splits, errors, the same batches again after a resume."""

import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from lightning_nas import BilevelDataModule
from lightning_nas.search.loader import EpochSampler
from lightning_nas.tasks.classification import (
    Cifar10DataModule,
    Cifar100DataModule,
    DigitsDataModule,
    ImageFolderDataModule,
    ImageNetDataModule,
)
from lightning_nas.tasks.classification.data import stratified
from lightning_nas.tasks.images import read_rgb

DATA = Path(os.environ.get("NAS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def write_images(folder: Path, **counts: int) -> Path:
    """Class folders; the red channel says which class, the green one which image."""
    for label, (name, count) in enumerate(sorted(counts.items())):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image = np.zeros((10, 12, 3), np.uint8)
            image[..., 0], image[..., 1] = 50 * label, index
            Image.fromarray(image).save(folder / name / f"{index:03d}.png")
    return folder


def names(dataset) -> list[str]:
    return [f"{Path(path).parent.name}/{Path(path).stem}" for path in dataset.images]


@pytest.fixture
def parts(tmp_path):
    for part, count in (("train", 20), ("val", 4), ("test", 3)):
        write_images(tmp_path / part, cat=count, dog=2 * count)
    return tmp_path


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


# ---- image folders ---------------------------------------------------------------------------------------------------


def test_given_parts_are_used_as_they_are(parts):
    data = ImageFolderDataModule(str(parts), image_size=8, num_workers=0)
    assert (data.num_classes, data.in_channels, data.image_size) == (2, 3, (8, 8))
    assert data.class_names == ("cat", "dog")
    data.setup("fit")
    assert [len(data.train_set), len(data.val_set), len(data.test_set)] == [60, 12, 9]
    assert np.bincount(data.train_set.targets).tolist() == [20, 40]
    for part in (data.train_set, data.test_set):
        assert [name[:3] for name in names(part)] == [data.class_names[target] for target in part.targets]
    images, labels = next(iter(data.test_dataloader()))
    assert images.shape == (9, 3, 8, 8)
    assert labels.dtype == torch.int64
    assert np.bincount(labels).tolist() == [3, 6]
    assert labels.tolist() != sorted(labels.tolist()), "classes are mixed: the first batches are a fair sample"


def test_one_folder_of_classes_is_split_without_overlap(tmp_path):
    write_images(tmp_path, cat=20, dog=40, emu=20)
    data = ImageFolderDataModule(str(tmp_path), val_fraction=0.25, test_fraction=0.1, seed=1)
    data.setup()
    sets = (data.train_set, data.val_set, data.test_set)
    assert [np.bincount(part.targets).tolist() for part in sets] == [[13, 26, 13], [5, 10, 5], [2, 4, 2]]
    assert len({name for part in sets for name in names(part)}) == 80
    for same, seed in ((True, 1), (False, 2)):
        other = ImageFolderDataModule(str(tmp_path), val_fraction=0.25, test_fraction=0.1, seed=seed)
        other.setup()
        assert (names(other.val_set) == names(data.val_set)) is same


def test_validation_images_test_when_there_are_no_test_images(tmp_path):
    write_images(tmp_path, cat=10, dog=10)
    data = ImageFolderDataModule(str(tmp_path), val_fraction=0.2)
    data.setup()
    assert names(data.test_set) == names(data.val_set)
    data = ImageFolderDataModule(str(tmp_path), val_fraction=0.0)
    with pytest.raises(ValueError, match="nothing is left to test on"):
        data.setup()


def test_train_and_test_without_val_as_in_cifar(parts):
    for file in (parts / "val").rglob("*.png"):
        file.unlink()
    for folder in (parts / "val" / "cat", parts / "val" / "dog", parts / "val"):
        folder.rmdir()
    data = ImageFolderDataModule(str(parts), val_fraction=0.1)
    data.setup()
    assert [len(data.train_set), len(data.val_set), len(data.test_set)] == [54, 6, 9]
    data = ImageFolderDataModule(str(parts), val_fraction=0.0)
    data.setup()
    assert len(data.train_set) == 60
    assert data.val_dataloader() == []


def test_subset_is_stratified_and_only_of_training_images(parts):
    data = ImageFolderDataModule(str(parts), subset=30)
    data.setup()
    assert np.bincount(data.train_set.targets).tolist() == [10, 20]
    assert len(data.val_set) == 12
    with pytest.raises(ValueError, match="subset = 61"):
        ImageFolderDataModule(str(parts), subset=61).setup()


def test_only_training_images_are_augmented(parts):
    data = ImageFolderDataModule(str(parts), image_size=8, augmentation="cifar", cutout=4)
    data.setup()
    image = data.val_set[0][0]
    assert torch.equal(image, data.val_set[0][0])
    assert any(not torch.equal(data.train_set[0][0], data.train_set[0][0]) for _ in range(5))


def test_mean_and_std_reach_the_images(parts):
    data = ImageFolderDataModule(str(parts), image_size=8, mean=(0, 0, 0), std=(0.5, 1, 1))
    data.setup()
    dog = data.val_set[data.val_set.targets.tolist().index(1)][0]
    assert torch.allclose(dog[0], torch.tensor(50 / 255 / 0.5))


def test_a_class_of_trains_is_not_a_part(tmp_path):
    write_images(tmp_path, car=4, train=4)
    data = ImageFolderDataModule(str(tmp_path), val_fraction=0.5)
    assert data.class_names == ("car", "train")
    data.setup()
    assert len(data.train_set) == 4


def test_halves_of_a_search_are_stratified_by_the_targets(parts):
    halves = BilevelDataModule(ImageFolderDataModule(str(parts), image_size=8, batch_size=4, num_workers=0), seed=0)
    halves.setup()
    first, second = halves.split(halves.datamodule.train_set)
    assert np.bincount(halves.datamodule.train_set.targets[first]).tolist() == [10, 20]
    assert not set(first) & set(second)
    batch, _, _ = next(iter(halves.train_dataloader()))
    assert batch["weights"][0].shape == batch["architecture"][0].shape == (4, 3, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"root": None}, ValueError, "root = None"),
        ({"root": "/no/such/folder"}, FileNotFoundError, "/no/such/folder"),
        ({"batch_size": 0}, ValueError, "batch_size.*0"),
        ({"num_workers": -1}, ValueError, "num_workers.*-1"),
        ({"val_fraction": 1.0}, ValueError, "val_fraction.*1.0"),
        ({"val_fraction": 0.6, "test_fraction": 0.5}, ValueError, "val_fraction . test_fraction"),
        ({"subset": 0}, ValueError, "subset.*0"),
        ({"augmentation": "much"}, ValueError, "augmentation.*much"),
        ({"mean": (0.5,)}, ValueError, "mean must have 3"),
        ({"image_size": 0}, ValueError, "image_size"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_read(parts, arguments, error, said):
    with pytest.raises(error, match=said):
        ImageFolderDataModule(**{"root": str(parts), **arguments})


def test_folders_that_do_not_fit_are_named(tmp_path, parts):
    write_images(parts / "val" / "more", fish=1)
    (parts / "val" / "more").rename(parts / "val" / "fish")
    with pytest.raises(ValueError, match="'fish' does not occur in the training images"):
        ImageFolderDataModule(str(parts)).setup()


def test_a_folder_without_images_or_without_classes_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="one folder per class"):
        ImageFolderDataModule(str(tmp_path))
    write_images(tmp_path, cat=3)
    with pytest.raises(ValueError, match="two or more class folders"):
        ImageFolderDataModule(str(tmp_path))
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "notes.txt").write_text("none yet")
    with pytest.raises(FileNotFoundError, match="dog: no image"):
        ImageFolderDataModule(str(tmp_path)).setup()


def test_a_file_that_is_no_image_is_named(parts):
    whole = (parts / "train" / "cat" / "000.png").read_bytes()
    for number, content in enumerate((b"text", whole[:45], b"")):
        path = parts / f"{number}.png"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{number}.png: not an image"):
            read_rgb(str(path))
    big = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(big).save(parts / "cut.jpg")
    (parts / "cut.jpg").write_bytes((parts / "cut.jpg").read_bytes()[:1500])
    with pytest.raises(ValueError, match=r"cut\.jpg: not an image"):
        read_rgb(str(parts / "cut.jpg"))
    (parts / "test" / "cat" / "000.png").write_bytes(b"text")
    data = ImageFolderDataModule(str(parts), num_workers=1, decode=False)
    data.setup()
    with pytest.raises(ValueError, match=r"cat/000\.png"):
        list(data.test_dataloader())


def test_damaged_images_are_named_before_training_or_left_out(parts):
    (parts / "train" / "cat" / "001.png").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"cat/001\.png: not an image.*data\.skip_invalid=true"):
        ImageFolderDataModule(str(parts)).setup()
    data = ImageFolderDataModule(str(parts), skip_invalid=True)
    with pytest.warns(UserWarning, match="train: left out because invalid: image does not decode: 1"):
        data.setup()
    assert np.bincount(data.train_set.targets).tolist() == [19, 40]
    for path in (parts / "train" / "cat").iterdir():
        path.write_bytes(b"text")
    with pytest.warns(UserWarning, match="invalid"), pytest.raises(ValueError, match="no image of class 'cat' can be"):
        ImageFolderDataModule(str(parts), skip_invalid=True).setup()


# ---- which folder is what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", [("Train", "Val"), ("training", "valid"), ("TRAIN_SET", "Validation"), ("trn", "dev")]
)
def test_the_usual_names_of_splits_are_known(tmp_path, spelling):
    for name in spelling:
        write_images(tmp_path / name, cat=3, dog=3)
    data = ImageFolderDataModule(str(tmp_path))
    assert data.class_names == ("cat", "dog")
    data.setup()
    assert [len(data.train_set), len(data.val_set)] == [6, 6]


def test_folders_and_images_that_are_passed_over_are_named(tmp_path):
    for name in ("train", "val", "extra", ".cache"):
        write_images(tmp_path / name, cat=3, dog=3)
    with pytest.warns(UserWarning, match="passed over: folder 'extra'$"):
        data = ImageFolderDataModule(str(tmp_path))
    (tmp_path / "train" / "cat" / "000.png").rename(tmp_path / "train" / "lost.png")
    with pytest.warns(UserWarning, match="train: passed over: 1 images that lie in no class folder"):
        data.setup()


def test_two_folders_of_one_split_are_refused(tmp_path):
    for name in ("train", "val", "valid"):
        write_images(tmp_path / name, cat=3, dog=3)
    with pytest.raises(ValueError, match="both 'val' and 'valid' are names of the val images"):
        ImageFolderDataModule(str(tmp_path))


def test_splits_without_one_that_trains_are_no_classes(tmp_path):
    for name in ("Val", "Test"):
        write_images(tmp_path / name, cat=3, dog=3)
    with pytest.raises(ValueError, match="folders 'Test', 'Val' and none that trains"):
        ImageFolderDataModule(str(tmp_path))


def test_a_folder_above_the_splits_or_classes_is_refused(tmp_path):
    for name in ("seg_a", "seg_b"):
        write_images(tmp_path / name, cat=3, dog=3)
    with pytest.raises(ValueError, match=r"classes 'seg_a', 'seg_b' would be told apart, but .* folders 'cat', 'dog'"):
        ImageFolderDataModule(str(tmp_path))


def test_classes_of_folders_of_their_own_are_said_to_be_whole(tmp_path):
    write_images(tmp_path / "pets", cat=3, dog=3)
    write_images(tmp_path / "cars", bus=3, van=3)
    with pytest.warns(UserWarning, match="classes 'cars', 'pets' hold images in folders of their own only"):
        data = ImageFolderDataModule(str(tmp_path), val_fraction=0.5)
    data.setup()
    assert len(data.train_set) == 6


def test_grey_and_palette_images_are_read_as_rgb(tmp_path):
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    for name in ("grey.png", "palette.png"):
        assert np.array_equal(read_rgb(str(tmp_path / name)), np.repeat(grey[..., None], 3, axis=2))


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

"""A folder of images as data: its parts, its splits, errors that name the file."""

import numpy as np
import pytest
import torch
from class_folders import names, write_images
from PIL import Image

from lightning_nas import BilevelDataModule
from lightning_nas.tasks.classification import (
    ImageFolderDataModule,
)
from lightning_nas.tasks.images import read_rgb


@pytest.fixture
def parts(tmp_path):
    for part, count in (("train", 20), ("val", 4), ("test", 3)):
        write_images(tmp_path / part, cat=count, dog=2 * count)
    return tmp_path


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
    batches = iter(data.test_dataloader())
    with pytest.raises(ValueError, match=r"cat/000\.png"):
        list(batches)
    batches._shutdown_workers()  # its error holds it: garbage collection would wait 5 s for its process, in another test


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

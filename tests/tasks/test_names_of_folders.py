"""Which folder is a split and which is a class."""

import numpy as np
import pytest
from class_folders import write_images
from PIL import Image

from lightning_nas.tasks.classification import (
    ImageFolderDataModule,
)
from lightning_nas.tasks.images import read_rgb


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

"""What can be wrong with segmentation data is named, or left out and counted."""

import shutil

import pytest
from PIL import Image
from street_files import cities, city_files, random_labels, write_cities, write_pair

from lightning_nas.tasks.segmentation import MasksDataModule
from lightning_nas.tasks.segmentation.data.labels import IGNORE
from lightning_nas.tasks.segmentation.data.pairs import SegmentationError


def no_mask(root):
    city_files(root, "train", "aachen", 1)[1].unlink()
    return r"aachen_000001_000019_leftImg8bit\.png has no mask"


def no_image(root):
    city_files(root, "train", "aachen", 1)[0].unlink()
    return r"aachen_000001_000019_gtFine_labelIds\.png has no image"


def other_size(root):
    Image.fromarray(random_labels(48, 56, 0)).save(city_files(root, "train", "aachen", 1)[1])
    return r"aachen_000001_000019_gtFine_labelIds\.png is 48 x 56, its image .* is 48 x 64"


def unknown_label(root):
    labels = random_labels(48, 64, 0)
    labels[3, 3] = 77
    Image.fromarray(labels).save(city_files(root, "train", "aachen", 1)[1])
    return r"aachen_000001_000019_gtFine_labelIds\.png: label id 77 is unknown"


def truncated(root):
    path = city_files(root, "train", "aachen", 1)[0]
    path.write_bytes(path.read_bytes()[:60])
    return r"aachen_000001_000019_leftImg8bit\.png: not an image that can be read"


def damaged_mask(root):
    city_files(root, "train", "aachen", 1)[1].write_text("no image")
    return r"aachen_000001_000019_gtFine_labelIds\.png: not an image that can be read"


FAULTS = [no_mask, no_image, other_size, unknown_label, truncated, damaged_mask]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_invalid_is_named_before_training(tmp_path, fault):
    message = fault(write_cities(tmp_path))
    with pytest.raises(SegmentationError, match=message):
        cities(tmp_path).setup()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_invalid_is_left_out_and_counted(tmp_path, fault):
    fault(write_cities(tmp_path))
    data = cities(tmp_path, skip_invalid=True)
    with pytest.warns(UserWarning, match="left out because invalid: .*: 1"):
        data.setup()
    assert len(data.train_set) == 2


def test_images_smaller_than_the_crop_are_counted_and_padded_with_pixels_that_do_not_count(tmp_path):
    root = write_cities(tmp_path)
    write_pair(*city_files(root, "train", "aachen", 1), random_labels(24, 64, 0))
    data = cities(tmp_path, augmentation="flip")
    with pytest.warns(UserWarning, match="1 of 3 images are smaller than the crop of 32 x 40, e.g. 24 x 64"):
        data.setup()
    masks = [data.train_set[index][1] for index in range(3)]
    assert all(mask.shape == (32, 40) for mask in masks)
    assert sorted(int((mask == IGNORE).all(dim=1).sum()) for mask in masks) == [0, 0, 8]


@pytest.mark.parametrize("skip_invalid", [False, True])
def test_an_empty_split_is_always_an_error(tmp_path, skip_invalid):
    root = write_cities(tmp_path)
    for kind in ("leftImg8bit", "gtFine"):
        shutil.rmtree(root / kind / "val" / "lindau")
    with pytest.raises(SegmentationError, match="val: the split is empty"):
        cities(root, skip_invalid=skip_invalid).setup()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="leftImg8bit/train: there is no such folder"):
        cities(tmp_path).setup()


def test_without_decoding_sizes_are_still_compared(tmp_path):
    other_size(write_cities(tmp_path))
    with pytest.raises(SegmentationError, match="48 x 56"):
        cities(tmp_path, decode=False).setup()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"crop": (0, 4)}, "crop must be"),
        ({"image_scale": 0}, "image_scale must be"),
        ({"scales": (2.0, 1.0)}, "scales must be"),
        ({"subset": 0}, "subset must be"),
        ({"augmentation": "strong"}, "augmentation must be one of"),
        ({"batch_size": 0}, "batch_size must be"),
    ],
)
def test_bad_arguments_are_named(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        cities(tmp_path, **changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_classes": None}, "num_classes = None"),
        ({"ignore_index": 300}, "ignore_index"),
        ({"palette": [[0, 0, 0]]}, "palette must have num_classes = 3 entries, got 1"),
        ({"palette": [[0, 0, 256]] * 3}, "palette must hold colours"),
        ({"class_names": ["a"]}, "class_names must have num_classes = 3 entries"),
        ({"test_images": "images/test"}, "give both or neither"),
        ({"augmentation": "scale", "crop": None}, "need a crop"),
    ],
)
def test_bad_arguments_of_masks_are_named(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        MasksDataModule(**{"root": str(tmp_path), "num_classes": 3, "crop": (8, 8)} | changed)

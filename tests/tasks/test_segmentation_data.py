"""Segmentation data: label ids, layouts, joint augmentation."""

import numpy as np
import pytest
import torch
from PIL import Image
from street_files import cities, city_files, picture_of, random_labels, write_cities, write_pair

from lightning_nas.tasks.segmentation import MasksDataModule, StreetsDataModule
from lightning_nas.tasks.segmentation.data.labels import IGNORE, cityscapes_table
from lightning_nas.tasks.segmentation.data.mask_files import read_mask
from lightning_nas.tasks.segmentation.data.street_files import paint

TABLE = cityscapes_table()


def ready(datamodule):
    datamodule.setup()
    return datamodule


def agree(image, labels):
    """Whether every pixel that counts has the label that the red channel of its image carries."""
    ids = (image[0] * 255 / 7).round().long()
    table = torch.from_numpy(TABLE.lookup()).long()
    counts = labels != IGNORE
    return counts.any() and torch.equal(table[ids][counts], labels[counts])


# ---- labels -----------------------------------------------------------------------------------------------------


def test_label_ids_of_cityscapes():
    lookup = TABLE.lookup()
    expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
    expected |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    assert {value: int(lookup[value]) for value in range(256) if lookup[value] != IGNORE} == expected
    assert len(TABLE.classes) == 19
    assert TABLE.classes[0].color == (128, 64, 128)
    assert TABLE.known == frozenset([*range(34), 255])


# ---- layouts ----------------------------------------------------------------------------------------------------


def test_the_layout_of_cityscapes(tmp_path):
    data = ready(cities(write_cities(tmp_path)))
    assert [len(part) for part in (data.train_set, data.val_set, data.test_set)] == [3, 2, 2]
    assert [pair.image.parent.name for pair in data.pairs("train")] == ["aachen", "aachen", "bochum"]
    assert data.image_size == (48, 64)
    assert (data.num_classes, data.class_names[13], data.generated if hasattr(data, "generated") else False) == (
        19,
        "car",
        False,
    )
    image, labels = data.val_set[1]
    assert image.shape == (3, 48, 64)
    assert labels.shape == (48, 64)
    assert agree(image, labels)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (2, 3, 32, 40)
    assert labels.shape == (2, 32, 40)
    assert labels.dtype == torch.int64
    assert 0 <= images.min() <= images.max() <= 1


def test_images_can_be_made_smaller_first(tmp_path):
    data = ready(cities(write_cities(tmp_path), image_scale=0.5, crop=(24, 32)))
    image, labels = data.val_set[0]
    assert data.image_size == (24, 32) == tuple(labels.shape)
    assert agree(image[:, 1::4, 1::4], labels[1::4, 1::4])  # away from the borders of 4 x 4 pixels


def test_any_folder_of_masks(tmp_path):
    for split in ("train", "val"):
        for number in range(2):
            labels = (random_labels(32, 40, number) % 3).astype(np.uint8)
            labels[:4] = 9
            write_pair(
                tmp_path / "images" / split / f"{number}.png", tmp_path / "masks" / split / f"{number}.png", labels
            )
    data = ready(
        MasksDataModule(str(tmp_path), 3, ignore_index=9, augmentation="none", crop=None, class_names=["a", "b", "c"])
    )
    image, labels = data.train_set[1]
    assert data.class_names == ("a", "b", "c")
    assert (labels[:4] == IGNORE).all()
    ids = (image[0] * 255 / 7).round().long()
    assert torch.equal(ids[4:], labels[4:])
    assert len({entry.color for entry in data.classes}) == 3


def test_colours_that_are_not_in_the_palette_are_named(tmp_path):
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match=r"m\.png: colour \[1, 2, 3\] is not in the palette"):
        read_mask(tmp_path / "m.png", [[0, 0, 0], [9, 9, 9]])
    with pytest.raises(ValueError, match="the mask is coloured"):
        read_mask(tmp_path / "m.png")


def test_values_beyond_a_byte_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 300, np.uint16)).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match="from 0 to 255, got 300"):
        read_mask(tmp_path / "m.png")


def test_images_of_other_sizes_come_in_lists(tmp_path):
    root = write_cities(tmp_path)
    write_pair(*city_files(root, "val", "lindau", 5), random_labels(40, 96, 3))
    images, labels = next(iter(ready(cities(root)).val_dataloader()))
    assert [tuple(image.shape) for image in images] == [(3, 48, 64), (3, 48, 64), (3, 40, 96)]
    assert [tuple(label.shape) for label in labels] == [(48, 64), (48, 64), (40, 96)]


# ---- augmentation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["none", "flip", "scale"])
def test_image_and_mask_move_together(tmp_path, recipe):
    data = ready(cities(write_cities(tmp_path), augmentation=recipe, crop=(40, 48), scales=(1.0, 2.0)))
    torch.manual_seed(0)
    for index in range(12):
        image, labels = data.train_set[index % 3]
        # bilinear interpolation mixes ids near borders: look where a neighbourhood has one id
        ids = image[0]
        same = (ids[1:-1, 1:-1] == ids[:-2, 1:-1]) & (ids[1:-1, 1:-1] == ids[2:, 1:-1])
        same &= (ids[1:-1, 1:-1] == ids[1:-1, :-2]) & (ids[1:-1, 1:-1] == ids[1:-1, 2:])
        inner = torch.where(same, labels[1:-1, 1:-1], IGNORE)
        assert agree(image[:, 1:-1, 1:-1], inner)


def test_what_is_padded_does_not_count(tmp_path):
    data = ready(cities(write_cities(tmp_path), augmentation="scale", scales=(0.5, 0.5), crop=(40, 48)))
    torch.manual_seed(0)
    image, labels = data.train_set[0]
    assert labels.shape == (40, 48)
    padded = (image - torch.tensor([124, 116, 104]).view(3, 1, 1) / 255).abs().amax(dim=0) < 1e-6
    assert padded.float().mean() > 0.5
    assert (labels[padded] == IGNORE).all()


def test_colours_change_images_alone(tmp_path):
    torch.manual_seed(0)
    plain = ready(cities(write_cities(tmp_path), augmentation="scale")).train_set[0]
    torch.manual_seed(0)
    full = ready(cities(tmp_path, augmentation="full")).train_set[0]
    assert torch.equal(plain[1], full[1])
    assert not torch.equal(plain[0], full[0])


def test_the_same_seed_gives_the_same_batch(tmp_path):
    data = ready(cities(write_cities(tmp_path), augmentation="full"))
    batches = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        batches.append(torch.stack([data.train_set[index][0] for index in range(3)]))
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


# ---- generated streets ------------------------------------------------------------------------------------------


def test_streets_are_read_as_cityscapes(tmp_path):
    arguments = {"height": 48, "width": 96, "train": 4, "val": 2, "test": 3, "crop": (48, 48)}
    data = ready(StreetsDataModule(str(tmp_path / "a"), **arguments))
    assert data.generated
    assert [len(part) for part in (data.train_set, data.val_set, data.test_set)] == [4, 2, 3]
    assert data.image_size == (48, 96)
    present = torch.cat([labels.unique() for _, labels in data.train_set]).unique()
    assert {0, 1, 2, 10} <= set(present.tolist())
    StreetsDataModule(str(tmp_path / "b"), **arguments)
    ours, twins = (sorted((tmp_path / name).rglob("*.png")) for name in "ab")
    assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in twins]


def test_all_street_classes_occur_and_every_id_is_known():
    seen = set()
    for number in range(25):
        picture, labels = paint(64, 128, np.random.default_rng(number))
        assert picture.shape == (64, 128, 3)
        seen |= set(np.unique(labels).tolist())
    assert seen <= TABLE.known
    assert {7, 8, 11, 17, 19, 20, 21, 23, 24, 25, 26, 27, 28, 33} <= seen


def test_pictures_carry_their_labels():
    assert picture_of(np.array([[3]], np.uint8)).tolist() == [[[21, 90, 30]]]

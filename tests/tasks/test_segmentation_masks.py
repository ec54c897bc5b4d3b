"""What masks mean: numbers or colours, one file per image, and something to learn in them."""

import warnings

import numpy as np
import pytest
from PIL import Image
from street_files import city_files, random_labels, write_cities, write_pair

from lightning_nas.tasks.segmentation import CityscapesDataModule, MasksDataModule
from lightning_nas.tasks.segmentation.data.mask_files import open_mask, read_mask
from lightning_nas.tasks.segmentation.data.pairs import SegmentationError

PALETTE = [[0, 0, 0], [255, 255, 255], [200, 10, 10]]
VALUES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)


def own_palette(values, colours):
    image = Image.fromarray(values, "P")
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def masks(root, make, num_classes=2, count=2, **arguments):
    """A data module of random images; ``make(split, number)`` gives the masks, images or arrays."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(count):
            mask = make(split, number)
            mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask.astype(np.uint8))
            for kind in ("images", "masks"):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
            size = (mask.height, mask.width, 3)
            Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(root / "images" / split / f"{number}.png")
            mask.save(root / "masks" / split / f"{number}.png")
    whole = {"crop": None, "augmentation": "none", "num_workers": 0}
    return MasksDataModule(str(root), num_classes, **{**whole, **arguments})


def square(value=1, other=0):
    labels = np.full((16, 16), other)
    labels[4:12, 4:12] = value
    return labels


# ---- numbers or colours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "P", "P in another order"])
def test_with_a_palette_colours_say_the_class_in_every_kind_of_file(tmp_path, kind):
    coloured = Image.fromarray(np.array(PALETTE, np.uint8)[VALUES])
    image = {
        "RGB": coloured,
        "RGBA": coloured.convert("RGBA"),
        "P": own_palette(VALUES, PALETTE),
        "P in another order": own_palette(2 - VALUES, PALETTE[::-1]),
    }[kind]
    image.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png", PALETTE).tolist() == VALUES.tolist()


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "LA"])
def test_shades_of_grey_are_colours_too(tmp_path, mode):
    grey = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    if mode == "I;16":
        grey = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint16))
    (grey if mode == "I;16" else grey.convert(mode)).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png", PALETTE).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_without_a_palette_numbers_say_the_class(tmp_path, mode):
    image = {
        "L": Image.fromarray(VALUES),
        "P": own_palette(VALUES, PALETTE[::-1]),
        "I;16": Image.fromarray(VALUES.astype(np.uint16)),
    }[mode]
    image.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == VALUES.tolist()


@pytest.mark.parametrize("image", [Image.fromarray(VALUES), own_palette(VALUES, [[9, 9, 9]] * 3)])
def test_numbers_where_colours_are_expected_are_named(tmp_path, image):
    image.save(tmp_path / "m.png")
    with pytest.raises(ValueError, match=r"m\.png: colour .* is not in the palette.*without data\.palette"):
        read_mask(tmp_path / "m.png", PALETTE)


def test_files_that_number_their_colours_each_anew_are_noticed(tmp_path):
    colours = {0: PALETTE[1:], 1: PALETTE[:0:-1]}
    data = masks(tmp_path, lambda _, number: own_palette(square().astype(np.uint8), colours[number]))
    with pytest.warns(
        UserWarning, match=r"0 is the colour \[255, 255, 255\] in .*0\.png and \[200, 10, 10\] in .*1\.png"
    ):
        data.setup()
    assert open_mask(tmp_path / "masks" / "train" / "0.png").colours == {0: (255, 255, 255), 1: (200, 10, 10)}


# ---- something to learn ------------------------------------------------------------------------------------------------


def test_masks_of_0_and_255_are_refused_unless_their_colours_are_given(tmp_path):
    data = masks(tmp_path, lambda *_: square(255))
    said = r"images/train: .* class '1'; 25% of the pixels are 255, which does not count.*palette=\[\[0,0,0\],\[255,255,255\]\]"
    with pytest.raises(SegmentationError, match=said):
        data.setup()
    data = masks(tmp_path, lambda *_: square(255), palette=PALETTE[:2])
    data.setup()
    assert data.train_set[0][1].tolist() == square().tolist()


@pytest.mark.parametrize("value", [0, 1])
def test_masks_of_one_class_are_refused(tmp_path, value):
    with pytest.raises(SegmentationError, match=f"class '{1 - value}'.*fewer than two classes"):
        masks(tmp_path, lambda *_: square(value, value)).setup()


def test_classes_that_never_occur_are_named_once(tmp_path):
    data = masks(tmp_path, lambda *_: square(), num_classes=4, class_names=["ground", "tree", "car", "bus"])
    with pytest.warns(UserWarning, match="no pixel of the training masks belongs to classes 'car', 'bus'") as caught:
        data.setup()
    assert len(caught) == 1


def test_the_images_that_train_are_looked_at_and_no_others(tmp_path):
    def make(split, number):
        return square() if (split, number) == ("train", 1) else square(0)

    masks(tmp_path, make).setup()
    with pytest.raises(SegmentationError, match="fewer than two classes"):
        masks(tmp_path, make, subset=1).setup()


def test_a_split_of_which_no_pixel_counts_is_refused(tmp_path):
    data = masks(tmp_path, lambda split, _: square() if split == "train" else square(255, 255))
    with pytest.raises(SegmentationError, match=r"images/val: no pixel of any mask belongs to a class.*\[255\]"):
        data.setup()


def test_a_split_with_all_classes_is_silent(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks(tmp_path, lambda *_: square()).setup()


def test_train_ids_in_files_of_label_ids_are_refused(tmp_path):
    root = write_cities(tmp_path)
    data = CityscapesDataModule(str(root), crop=(32, 40))
    for split, city, frames in (("train", "aachen", 2), ("train", "bochum", 1), ("val", "lindau", 2)):
        for frame in range(frames):
            image, mask = city_files(root, split, city, frame)
            write_pair(image, mask, data.table.lookup()[random_labels(48, 64, seed=frame + len(split))])
    with pytest.raises(
        SegmentationError, match=r"train: the masks hold the values \[0, .*, 255\], which look like train ids"
    ):
        data.setup()


# ---- one file of each name ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skip_invalid", [False, True])
@pytest.mark.parametrize(("kind", "ending"), [("masks", "tif"), ("images", "jpg")])
def test_two_files_of_one_name_are_refused(tmp_path, kind, ending, skip_invalid):
    data = masks(tmp_path, lambda *_: square(), skip_invalid=skip_invalid)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / kind / "train" / f"0.{ending}")
    with pytest.raises(SegmentationError, match=rf"{kind}/train: 0\.\w+ and 0\.\w+ are two files of one name, '0'"):
        data.setup()

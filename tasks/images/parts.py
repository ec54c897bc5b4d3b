"""Which part of the data a folder or a file holds, by the names that people and export tools give to them."""

from __future__ import annotations

NAMES = {
    "train": ("train", "training", "trainset", "trainingset", "traindata", "trainingdata", "trn"),
    "val": ("val", "valid", "validation", "valset", "validset", "validationset", "validationdata", "dev", "devset"),
    "test": ("test", "testing", "testset", "testingset", "testdata", "tst"),
}
"""Part -> how its folder may be called; upper case, digits, blanks, ``_`` and ``-`` do not matter."""


def part_of(name: str) -> str | None:
    """The part that a folder of such a name holds, if any.

    Example:
        >>> [part_of(name) for name in ("Train", "valid", "test_set", "train2017", "trains")]
        ['train', 'val', 'test', 'train', None]
    """
    letters = "".join(character for character in name.lower() if character.isalpha())
    return next((part for part, known in NAMES.items() if letters in known), None)


IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos", "leftimg8bit")
"""Lower-case names of folders that hold images beside a folder of what belongs to them."""

LABELS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "segmentationclass",
    "gt",
    "gtfine",
    "groundtruth",
)
"""Lower-case names of folders that hold what belongs to the images."""

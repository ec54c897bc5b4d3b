"""ImageNet (ILSVRC 2012) as class folders."""

from __future__ import annotations

from pathlib import Path

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.classification.augmentation import Recipe
from lightning_nas.tasks.classification.data_imagefolder import ImageFolderDataModule
from lightning_nas.tasks.classification.folders import class_folders


class ImageNetDataModule(ImageFolderDataModule):
    """``root/train`` and ``root/val`` with the same class folders (``n01440764`` ...), 1,000 of them or fewer.

    The test images of ILSVRC have no public labels: the validation images are the test images, as in the literature.

    Args:
        root: The folder.
        image_size: Height and width of the network's input; evaluation resizes the shorter side to 8/7 of it first.
        batch_size: Images per batch.
        augmentation: A recipe of ``augmentation.py``.
        subset: Number of training images to use, chosen by class; None for all.
        skip_invalid: Leave out images that cannot be read with a warning that counts them, instead of refusing.
        decode: Decode every image once before training, to find damaged ones: of 1.3 million that takes a while.
        num_workers: Processes that read images.
        seed: Of subset and order.

    Raises:
        ValueError: If an argument is out of range, or the classes of the two folders differ.
        FileNotFoundError: If folders or images are missing.
    """

    def __init__(
        self,
        root: str | None = None,
        image_size: int = 224,
        batch_size: int = 128,
        augmentation: Recipe = "imagenet",
        subset: int | None = None,
        skip_invalid: bool = False,
        decode: bool = False,
        num_workers: int = 8,
        seed: int = 0,
    ) -> None:
        if root is None:
            raise ArgumentError("root = None: expected the folder that holds train/ and val/ of ILSVRC 2012")
        names = class_folders(Path(root) / "train"), class_folders(Path(root) / "val")
        if names[0] != names[1]:
            odd = sorted(set(names[0]) ^ set(names[1]))
            raise ArgumentError(
                f"root = {root!r}: {len(odd)} classes are in one of train/ and val/ only, e.g. {odd[0]!r}"
            )
        super().__init__(
            root,
            image_size=image_size,
            batch_size=batch_size,
            augmentation=augmentation,
            subset=subset,
            skip_invalid=skip_invalid,
            decode=decode,
            num_workers=num_workers,
            seed=seed,
        )

"""Data in the layout of Cityscapes: ``leftImg8bit/<split>/<city>/`` and ``gtFine/<split>/<city>/``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images.files import is_image
from lightning_nas.tasks.segmentation.data.augmentation import Recipe
from lightning_nas.tasks.segmentation.data.base import Files, SegmentationDataModule, check_folder
from lightning_nas.tasks.segmentation.data.contents import refuse_train_ids
from lightning_nas.tasks.segmentation.data.labels import cityscapes_table
from lightning_nas.tasks.segmentation.data.layout import recognise_cityscapes
from lightning_nas.tasks.segmentation.data.pairs import Pair

IMAGE, MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"


class CityscapesDataModule(SegmentationDataModule):
    """Street scenes with 19 classes (Cordts et al. 2016, arXiv 1604.01685); pixels of other label ids do not count.

    torchvision's ``Cityscapes`` gives the label ids; files are found here, since it checks neither pairs nor masks.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gtFine``.
        train_split: Name of the split that trains.
        val_split: Name of the split that validates.
        test_split: Name of the split that tests; the validation images if None (masks of the real ``test`` are secret).
        crop: See :class:`SegmentationDataModule`, also for all that follow.
        scales: Smallest and largest random scale.
        image_scale: Every image is brought to this size first, relative to its own.
        batch_size: Training images per batch.
        augmentation: Of training images: ``"none"``, ``"flip"``, ``"scale"`` or ``"full"``.
        subset: Number of training images to use.
        skip_invalid: Leave out invalid pairs with a warning that counts them.
        decode: Decode every image and mask once before training.
        num_workers: Processes that read images.
        seed: Of the order.

    Raises:
        ValueError: If an argument is out of range.
        FileNotFoundError: If a folder is missing.
        SegmentationError: If images or masks are invalid; it names the file.
    """

    table = cityscapes_table()
    recognise = staticmethod(recognise_cityscapes)

    def __init__(
        self,
        root: str | None = None,
        train_split: str = "train",
        val_split: str = "val",
        test_split: str | None = None,
        crop: Sequence[int] | None = (769, 769),
        scales: Sequence[float] = (0.5, 2.0),
        image_scale: float = 1.0,
        batch_size: int = 8,
        augmentation: Recipe = "scale",
        subset: int | None = None,
        skip_invalid: bool = False,
        decode: bool = True,
        num_workers: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(
            crop=crop, scales=scales, image_scale=image_scale, batch_size=batch_size, augmentation=augmentation,
            subset=subset, skip_invalid=skip_invalid, decode=decode, num_workers=num_workers, seed=seed,
        )  # fmt: skip
        if root is None:
            raise ArgumentError(
                "root = None: expected a folder with leftImg8bit/<split>/<city>/ and gtFine/<split>/<city>/"
            )
        self.root = Path(root)
        self.splits = {"train": train_split, "val": val_split, "test": test_split or val_split}

    def files(self, split: str) -> tuple[Path, Files, Files]:
        """The files of all cities; keys are city and frame. Hidden files are left out."""
        name = self.splits[split]
        folders = [check_folder(self.root / kind / name, "Cityscapes") for kind in ("leftImg8bit", "gtFine")]
        images, masks = (
            {
                f"{path.parent.name}/{path.name.removesuffix(end)}": path
                for path in folder.glob(f"*/*{end}")
                if is_image(path, folder)
            }
            for folder, end in zip(folders, (IMAGE, MASK), strict=True)
        )
        return folders[0], images, masks

    def check_values(self, place: Path, pairs: Sequence[Pair]) -> None:
        """Refuses train ids in the files of label ids.

        Raises:
            SegmentationError: If the masks look like it.
        """
        refuse_train_ids(place, pairs)

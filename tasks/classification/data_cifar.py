"""CIFAR-10 and CIFAR-100 in torchvision's files (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from torchvision.datasets import CIFAR10, CIFAR100

from lightning_nas.errors import ArgumentError, MissingFileError
from lightning_nas.tasks.classification.augmentation import Recipe, preparation, training
from lightning_nas.tasks.classification.data import (
    ImageDataset,
    check_share,
    check_subset,
    stratified,
)
from lightning_nas.tasks.images import ImageDataModule


class Cifar10DataModule(ImageDataModule):
    """50,000 training and 10,000 test images of 32x32 pixels in ten classes.

    Args:
        root: Folder that holds ``cifar-10-batches-py``, or where to put it.
        download: Fetch the files if they are missing.
        batch_size: Images per batch.
        augmentation: A recipe of ``augmentation.py``.
        cutout: Side of the square that is erased; 16 in DARTS, 0 for none.
        val_fraction: Share of the training images that validate; 0: train on all, no validation.
        subset: Number of training images to use, chosen by class; None for all.
        num_workers: Processes that prepare images.
        seed: Of split, subset and order.

    Raises:
        ValueError: If an argument is out of range, or the files are damaged.
        FileNotFoundError: If files are missing and ``download`` is false.
    """

    source: ClassVar[type[CIFAR10]] = CIFAR10
    mean: ClassVar[tuple[float, ...]] = (0.49139968, 0.48215827, 0.44653124)
    std: ClassVar[tuple[float, ...]] = (0.24703233, 0.24348505, 0.26158768)
    num_classes = 10
    image_size = (32, 32)
    class_names: tuple[str, ...] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip

    def __init__(
        self,
        root: str | None = None,
        download: bool = False,
        batch_size: int = 96,
        augmentation: Recipe = "cifar",
        cutout: int = 0,
        val_fraction: float = 0.1,
        subset: int | None = None,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        check_share("val_fraction", val_fraction)
        check_subset(subset)
        if root is None:
            raise ArgumentError(f"root = None: expected the folder that holds {self.source.base_folder!r}")
        self.root, self.download = Path(root), download
        self.val_fraction, self.subset = val_fraction, subset
        self.augment = training(augmentation, 32, self.mean, self.std, cutout)
        prepared = preparation(augmentation, 32, self.mean, self.std)
        self.keep, self.preparation = prepared.pipeline(), prepared.record()
        if not download:
            self._check_files()

    def prepare_data(self) -> None:
        """Downloads the files if asked to and they are missing."""
        if self.download:
            self.source(str(self.root), download=True)

    def read_sets(self) -> tuple[ImageDataset, ImageDataset, ImageDataset]:
        """Reads the files, holds validation images out, chooses the subset."""
        train, test = self._read(train=True), self._read(train=False)
        held, kept = stratified(
            train.targets,
            round(self.val_fraction * len(train)),
            seed=self.seed,
            argument=f"val_fraction = {self.val_fraction}",
        )
        if self.subset is not None:
            chosen, _ = stratified(train.targets[kept], self.subset, seed=self.seed, argument=f"subset = {self.subset}")
            kept = kept[chosen]
        return train.part(kept, self.augment), train.part(held, self.keep), test

    def _read(self, *, train: bool) -> ImageDataset:
        try:
            files = self.source(str(self.root), train=train)
        except RuntimeError as error:  # torchvision compares checksums before it unpickles anything
            raise ArgumentError(f"root = {str(self.root)!r}: files in {self.source.base_folder} are damaged") from error
        return ImageDataset(files.data, files.targets, self.keep)

    def _check_files(self) -> None:
        for name, _ in [*self.source.train_list, *self.source.test_list]:
            path = self.root / self.source.base_folder / name
            if not path.is_file():
                raise MissingFileError(
                    f"root = {str(self.root)!r}: there is no {path}; unpack the python version of the data set there, "
                    "or set download=true"
                )


class Cifar100DataModule(Cifar10DataModule):
    """As :class:`Cifar10DataModule` with 100 classes; ``root`` holds ``cifar-100-python``."""

    source = CIFAR100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
    num_classes = 100
    class_names = tuple(
        """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
        castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
        elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
        man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
        pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
        skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
        tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm""".split()  # noqa: SIM905
    )

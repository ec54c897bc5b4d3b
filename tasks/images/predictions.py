"""What predictions of all tasks share: the images of a folder, checked first, and whose fault a failure is."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lightning_nas.tasks.images.checking import readable
from lightning_nas.tasks.images.files import ENDINGS, image_files
from lightning_nas.tasks.images.problems import DataError, Problems


def images_to_predict(folder: Path, out: Path, *, skip_invalid: bool = False) -> list[Path]:
    """The images of a folder and its sub-folders; what is hidden or no image by its name is passed over.

    Args:
        folder: The folder.
        out: Where predictions are written; images there are not looked at.
        skip_invalid: Leave out images that cannot be read with a warning that counts them, instead of raising.

    Raises:
        DataError: If there are no images, or one cannot be read: it names the file.
    """
    problems = Problems(folder, DataError, skip_invalid, "skip_invalid=true")
    paths = image_files(folder, without=out)
    usable = [path for path, whole in zip(paths, readable(paths, problems), strict=True) if whole]
    problems.warn()
    if not usable:
        raise DataError(f"images = {str(folder)!r}: no image in this folder or below; known are {ENDINGS}")
    return usable


def stems(paths: Iterable[Path], folder: Path) -> list[Path]:
    """The places of images in a folder, without ending: what files about them are named by.

    Raises:
        DataError: If two images differ in their ending only.
    """
    found = [path.relative_to(folder).with_suffix("") for path in paths]
    twice = next((stem for stem, count in Counter(found).items() if count > 1), None)
    if twice is not None:
        raise DataError(
            f"images = {str(folder)!r}: several images are named {twice.as_posix()!r}, and what is written about them "
            "would be one file"
        )
    return found


def make_folders(files: Iterable[Path], images: Iterable[Path]) -> None:
    """Makes the folders of the files that will be written.

    Raises:
        DataError: If one of the files is one of the images.
    """
    taken = {image.resolve() for image in images}
    for file in files:
        if file.resolve() in taken:
            raise DataError(f"{file}: this image would be written over; name another folder with out=<folder>")
        file.parent.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def naming(images: Sequence[Path]) -> Iterator[None]:
    """Says in whose prediction an error occurred.

    Raises:
        RuntimeError: Instead of the error.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise RuntimeError(f"{', '.join(map(str, images))}: {error}") from error

"""Images with their masks, all checked before training begins."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import track

from lightning_nas.tasks.images.problems import DataError, Problems
from lightning_nas.tasks.images.reading import decoded_size, is_sideways, shown_size
from lightning_nas.tasks.segmentation.data.labels import LabelTable
from lightning_nas.tasks.segmentation.data.mask_files import open_mask


class SegmentationError(DataError):
    """Images or masks that cannot be used; the text names the file."""


@dataclass(frozen=True)
class Pair:
    """An image and its mask, of equal size.

    Args:
        image: The file.
        mask: The file.
        height: Of both.
        width: Of both.
        pixels: Value in the mask -> number of its pixels; None if it was not decoded.
        colours: Value in the mask -> its colour in the file's own palette, if it has one.
    """

    image: Path
    mask: Path
    height: int
    width: int
    pixels: Mapping[int, int] | None = field(default=None, compare=False)
    colours: Mapping[int, tuple[int, ...]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Checks:
    """What is asked of every pair.

    Args:
        table: The values that masks may hold.
        palette: Colours of coloured masks.
        decode: Decode image and mask wholly, and look at the values; otherwise only their sizes are read.
        skip_invalid: Leave out what is invalid with a warning that counts it, instead of raising.
    """

    table: LabelTable
    palette: Sequence[Sequence[int]] | None = None
    decode: bool = True
    skip_invalid: bool = False


def keyed(paths: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Files by their place in a folder, without ending.

    Raises:
        SegmentationError: If two differ in their ending only: one of them would be lost.
    """
    found: dict[str, Path] = {}
    for path in paths:
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in found:
            raise SegmentationError(
                f"{folder}: {found[key].name} and {path.name} are two files of one name, {key!r}; expected one image and one "
                "mask of each name"
            )
        found[key] = path
    return found


def warn_of_small(folder: Path, pairs: Sequence[Pair], crop: tuple[int, int], image_scale: float) -> None:
    """Counts the images that are smaller than the crop, so that what is missing is padded.

    Args:
        folder: Named in the warning.
        pairs: That train.
        crop: Height and width.
        image_scale: Of every image, before.
    """
    scaled = [(round(pair.height * image_scale), round(pair.width * image_scale)) for pair in pairs]
    small = [size for size in scaled if size[0] < crop[0] or size[1] < crop[1]]
    if small:
        warnings.warn(
            f"{folder}: {len(small)} of {len(pairs)} images are smaller than the crop of {crop[0]} x {crop[1]}, e.g. "
            f"{small[0][0]} x {small[0][1]}: they are padded with pixels that do not count; see data.crop",
            stacklevel=2,
        )


def match(images: Mapping[str, Path], masks: Mapping[str, Path], problems: Problems) -> list[tuple[Path, Path]]:
    """Pairs of equal key, in the order of the keys; what has no partner is a problem."""
    for key in sorted(set(images) - set(masks)):
        problems.note("image without mask", f"{images[key]} has no mask")
    for key in sorted(set(masks) - set(images)):
        problems.note("mask without image", f"{masks[key]} has no image")
    return [(images[key], masks[key]) for key in sorted(set(images) & set(masks))]


def check_pairs(
    folder: Path, images: Mapping[str, Path], masks: Mapping[str, Path], checks: Checks
) -> tuple[Pair, ...]:
    """Matches images and masks by their keys, and checks each pair.

    Args:
        folder: Named in messages that concern the whole.
        images: Key -> file.
        masks: Key -> file.
        checks: What is asked.

    Raises:
        SegmentationError: If a partner is missing, a file does not decode, a mask has another size than its image or a value
            that is not known, or nothing is left. It names the file.
    """
    problems = Problems(folder, SegmentationError, checks.skip_invalid)
    candidates = match(images, masks, problems)
    pairs = []
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda pair: _examine(pair[0], pair[1], checks), candidates)
        for result in track(found, f"checking {folder.name}", len(candidates), transient=True):
            if isinstance(result, Pair):
                pairs.append(result)
            else:
                problems.note(*result)
    problems.warn()
    if not pairs:
        raise SegmentationError(f"{folder}: the split is empty: no usable image with a mask; expected at least one")
    return tuple(pairs)


def _examine(image: Path, mask: Path, checks: Checks) -> Pair | tuple[str, str]:
    """The pair, or what is wrong with it: kind and text."""
    try:
        size = decoded_size(image) if checks.decode else shown_size(image)
    except ValueError as error:
        return "image does not decode", str(error)
    try:
        content = open_mask(mask, checks.palette) if checks.decode else None
        mask_size = shown_size(mask) if content is None else content.values.shape
    except ValueError as error:
        return "invalid mask", str(error)
    if tuple(mask_size) != size:
        sizes = f"{mask_size[0]} x {mask_size[1]}, its image {image} is {size[0]} x {size[1]}"
        turned = mask_size == size[::-1] and is_sideways(image)
        why = ": the EXIF orientation of the image turns it, the mask is as it is stored" if turned else ""
        return "mask of other size", f"{mask} is {sizes} (height x width){why}"
    counts = np.zeros(256, np.int64) if content is None else np.bincount(content.values.ravel(), minlength=256)
    pixels = {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    unknown = checks.table.unknown(list(pixels))
    if unknown:
        return "unknown label", f"{mask}: label id {unknown[0]} is unknown; known are {sorted(checks.table.known)}"
    height, width = size
    if content is None:
        return Pair(image, mask, height, width)
    return Pair(image, mask, height, width, pixels, content.colours)

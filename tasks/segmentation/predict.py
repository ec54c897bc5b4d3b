"""Label maps of a folder of images, and the images with the labels laid over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images import read_rgb
from lightning_nas.tasks.images.predictions import images_to_predict, make_folders, naming, stems
from lightning_nas.tasks.segmentation.data.augmentation import make_pipeline
from lightning_nas.tasks.segmentation.drawing import default_palette, draw_legend, overlaid


def predict_images(
    segment: Callable[[Tensor], Tensor],
    images: Path,
    out: Path,
    classes: Sequence[Mapping[str, Any]],
    device: torch.device,
    *,
    scale: float = 1.0,
    skip_invalid: bool = False,
) -> None:
    """Writes ``labels/<name>.png``, 8-bit maps of the data's own label ids, and ``overlays/<name>.png``.

    Beside them ``predictions.json`` says by name which classes were found on an image and on what share of it, and
    ``legend.png`` shows their colours.

    Args:
        segment: ``(1, 3, H, W)`` from 0 to 1 -> labels ``(1, H, W)`` from 0.
        images: Folder, with its sub-folders; what is hidden or no image by its name is passed over.
        out: Folder to write, made if need be, with the same sub-folders.
        classes: ``id``, ``name`` and perhaps ``color`` of each.
        device: Where the network is.
        scale: Images are brought to this size first, relative to their own, as in validation; maps have the images' own.
        skip_invalid: Leave out images that cannot be read, with a warning that counts them.

    Raises:
        ValueError: If there are no images, two differ in their ending only, or one cannot be read.
        RuntimeError: If the network fails on an image; it names it.
    """
    paths = images_to_predict(images, out, skip_invalid=skip_invalid)
    names = [f"{stem.as_posix()}.png" for stem in stems(paths, images)]
    make_folders([out / kind / name for kind in ("labels", "overlays") for name in names], paths)
    make_folders([out / "predictions.json", out / "legend.png"], paths)
    ids = np.array([entry["id"] for entry in classes], np.uint8)
    palette = [entry.get("color") or hue for entry, hue in zip(classes, default_palette(len(classes)), strict=True)]
    records = []
    for path, name in zip(track(paths, "segmenting"), names, strict=True):
        pixels = read_rgb(path)
        with naming([path]), torch.inference_mode():
            labels = labelled(segment, pixels, device, scale)
        height, width = pixels.shape[:2]
        Image.fromarray(ids[labels]).save(out / "labels" / name)
        Image.fromarray(overlaid(pixels, labels, palette)).save(out / "overlays" / name)
        record = {"file_name": path.relative_to(images).as_posix(), "height": height, "width": width}
        files = {"labels": f"labels/{name}", "overlay": f"overlays/{name}"}
        records.append({**record, **files, "found": _shares(labels, classes)})
    listed = [
        {"id": entry["id"], "name": entry["name"], "color": hue} for entry, hue in zip(classes, palette, strict=True)
    ]
    write_atomic(out / "predictions.json", json.dumps({"images": records, "classes": listed}))
    draw_legend([str(entry["name"]) for entry in classes], palette).savefig(out / "legend.png")


def labelled(segment: Callable[[Tensor], Tensor], pixels: np.ndarray, device: torch.device, scale: float) -> np.ndarray:
    """Labels ``(H, W)`` from 0 of an image ``(H, W, 3)``, which is segmented in another size and labelled in its own.

    Args:
        segment: See :func:`predict_images`.
        pixels: Of ``uint8``.
        device: Where the network is.
        scale: Size in which it is segmented, relative to its own.
    """
    pipeline = make_pipeline("none", None, (1.0, 1.0), scale)
    found = segment(pipeline(pixels)[None].to(device))[0].byte().cpu().numpy()
    height, width = pixels.shape[:2]
    labels: np.ndarray = cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST)
    return labels


def checked_scale(preparation: Mapping[str, Any]) -> float:
    """The scale that :class:`SegmentationDataModule` records.

    Raises:
        ArgumentError: If it is none.
    """
    scale = preparation.get("scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= 4:
        raise ArgumentError(f"preparation: scale = {scale!r}: expected a number above 0 and at most 4")
    return scale


def _shares(labels: np.ndarray, classes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The classes of an image and the share of its pixels, the largest first."""
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    order = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label]]
    return [
        {"id": classes[label]["id"], "name": classes[label]["name"], "share": float(counts[label] / labels.size)}
        for label in order
    ]

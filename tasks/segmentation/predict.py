"""Label maps of a folder of images, and the images with the labels laid over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from lightning_nas.tasks.images import read_rgb
from lightning_nas.tasks.segmentation.drawing import default_palette, overlaid


def predict_images(
    segment: Callable[[Tensor], Tensor],
    images: Path,
    out: Path,
    classes: Sequence[Mapping[str, Any]],
    device: torch.device,
) -> None:
    """Writes ``labels/<name>.png``, 8-bit maps of the data's own label ids, and ``overlays/<name>.png``.

    Args:
        segment: ``(1, 3, H, W)`` from 0 to 1 -> labels ``(1, H, W)`` from 0.
        images: Folder; what is not an image by its name is passed over.
        out: Folder to write, made if need be.
        classes: ``id``, ``name`` and perhaps ``color`` of each.
        device: Where the network is.

    Raises:
        ValueError: If there are no images, two have one name, or one cannot be read.
    """
    paths = sorted(path for path in images.iterdir() if path.suffix.lower() in IMG_EXTENSIONS)
    if not paths:
        raise ValueError(f"images = {str(images)!r}: no image in this folder; known are {', '.join(IMG_EXTENSIONS)}")
    stems = [path.stem for path in paths]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise ValueError(
            f"images = {str(images)!r}: several images are named {twice!r}, and their maps would be one file"
        )
    for name in ("labels", "overlays"):
        (out / name).mkdir(parents=True, exist_ok=True)
    ids = np.array([entry["id"] for entry in classes], np.uint8)
    palette = [entry.get("color") or hue for entry, hue in zip(classes, default_palette(len(classes)), strict=True)]
    for path in track(paths, "segmenting"):
        pixels = read_rgb(path)
        batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float()[None] / 255
        with torch.inference_mode():
            labels = segment(batch.to(device))[0].byte().cpu().numpy()
        Image.fromarray(ids[labels]).save(out / "labels" / f"{path.stem}.png")
        Image.fromarray(overlaid(pixels, labels, palette)).save(out / "overlays" / f"{path.stem}.png")

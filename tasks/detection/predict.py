"""Detections of a folder of images: COCO's results format, and the images with boxes drawn in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.progress import track
from torch import Tensor, nn
from torchvision.datasets.folder import IMG_EXTENSIONS

from lightning_nas.architecture import write_atomic
from lightning_nas.tasks.detection.coco import Category
from lightning_nas.tasks.detection.drawing import Sample, draw_sample
from lightning_nas.tasks.detection.records import result_rows
from lightning_nas.tasks.images import read_rgb


def predict_images(
    task: nn.Module, images: Path, out: Path, classes: Sequence[Mapping[str, Any]], batch_size: int
) -> None:
    """Writes ``detections.json`` and one PNG per image.

    In the JSON ``images`` are numbered by the order of their names, and ``annotations`` are the detections in COCO's
    results format.

    Args:
        task: Images -> detections, in evaluation mode.
        images: Folder; what is not an image by its name is passed over.
        out: Folder to write, made if need be.
        classes: ``id`` and ``name`` of each.
        batch_size: Images at a time.

    Raises:
        ValueError: If there are no images, or one cannot be read.
    """
    paths = sorted(path for path in images.iterdir() if path.suffix.lower() in IMG_EXTENSIONS)
    if not paths:
        raise ValueError(f"images = {str(images)!r}: no image in this folder; known are {', '.join(IMG_EXTENSIONS)}")
    out.mkdir(parents=True, exist_ok=True)
    categories = [Category(entry["id"], entry["name"]) for entry in classes]
    device = next(task.parameters()).device
    records, rows = [], []
    for start in track(range(0, len(paths), batch_size), "detecting"):
        part = paths[start : start + batch_size]
        batch = [_tensor(path).to(device) for path in part]
        with torch.inference_mode():
            detections = task(batch)
        for number, (path, image, found) in enumerate(zip(part, batch, detections, strict=True), start + 1):
            records.append({"id": number, "file_name": path.name, "height": image.shape[1], "width": image.shape[2]})
            rows += result_rows(number, found, categories)
            _draw(Sample.of(image, found), [category.name for category in categories], out / f"{path.stem}.png")
    listed = [{"id": category.id, "name": category.name} for category in categories]
    write_atomic(out / "detections.json", json.dumps({"images": records, "annotations": rows, "categories": listed}))


def _tensor(path: Path) -> Tensor:
    return torch.from_numpy(read_rgb(path).transpose(2, 0, 1).copy()).float() / 255


def _draw(sample: Sample, names: Sequence[str], path: Path) -> None:
    """As large as the image, but not below 400 pixels, where names could not be read."""
    height, width = sample.image.shape[:2]
    scale = max(1.0, 400 / max(height, width))
    figure = Figure(figsize=(width * scale / 100, height * scale / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    draw_sample(axes, sample, names)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    figure.savefig(path)

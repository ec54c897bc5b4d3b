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

from lightning_nas.architecture import write_atomic
from lightning_nas.tasks.detection.coco_fields import Category
from lightning_nas.tasks.detection.drawing import Sample, draw_sample
from lightning_nas.tasks.detection.records import result_rows
from lightning_nas.tasks.images import read_rgb
from lightning_nas.tasks.images.predictions import images_to_predict, make_folders, naming, stems

LEAST_PIXELS, MOST_PIXELS = 400, 8000
"""Of the longer side of a picture: names can be read, and the picture can be opened."""


def predict_images(
    task: nn.Module,
    images: Path,
    out: Path,
    classes: Sequence[Mapping[str, Any]],
    batch_size: int,
    *,
    skip_invalid: bool = False,
) -> None:
    """Writes ``detections.json`` and one PNG per image.

    In the JSON ``images`` are numbered by the order of their names, and ``annotations`` are the detections in COCO's
    results format, with the name of the category beside its id.

    Args:
        task: Images -> detections, in evaluation mode.
        images: Folder, with its sub-folders; what is hidden or no image by its name is passed over.
        out: Folder to write, made if need be, with the same sub-folders.
        classes: ``id`` and ``name`` of each.
        batch_size: Images at a time.
        skip_invalid: Leave out images that cannot be read, with a warning that counts them.

    Raises:
        ValueError: If there are no images, two differ in their ending only, or one cannot be read.
        RuntimeError: If the network fails on images; it names them.
    """
    paths = images_to_predict(images, out, skip_invalid=skip_invalid)
    pictures = [out / f"{stem}.png" for stem in stems(paths, images)]
    make_folders([out / "detections.json", *pictures], paths)
    categories = [Category(entry["id"], entry["name"]) for entry in classes]
    device = next(task.parameters()).device
    records, rows = [], []
    for start in track(range(0, len(paths), batch_size), "detecting"):
        part = paths[start : start + batch_size]
        batch = [_tensor(path).to(device) for path in part]
        with naming(part), torch.inference_mode():
            detections = task(batch)
        for number, (path, image, found) in enumerate(zip(part, batch, detections, strict=True), start + 1):
            name = path.relative_to(images).as_posix()
            records.append({"id": number, "file_name": name, "height": image.shape[1], "width": image.shape[2]})
            rows += _named(result_rows(number, found, categories), categories)
            _draw(Sample.of(image, found), [category.name for category in categories], pictures[number - 1])
    listed = [{"id": category.id, "name": category.name} for category in categories]
    write_atomic(out / "detections.json", json.dumps({"images": records, "annotations": rows, "categories": listed}))


def _named(rows: Sequence[Mapping[str, Any]], categories: Sequence[Category]) -> list[dict[str, Any]]:
    names = {category.id: category.name for category in categories}
    return [{**row, "category_name": names[row["category_id"]]} for row in rows]


def _tensor(path: Path) -> Tensor:
    return torch.from_numpy(read_rgb(path).transpose(2, 0, 1).copy()).float() / 255


def _draw(sample: Sample, names: Sequence[str], path: Path) -> None:
    """As large as the image, within limits."""
    height, width = sample.image.shape[:2]
    longer = max(height, width)
    scale = min(max(1.0, LEAST_PIXELS / longer), MOST_PIXELS / longer)
    figure = Figure(figsize=tuple(max(round(side * scale), 1) / 100 + 1e-6 for side in (width, height)), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    draw_sample(axes, sample, names)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    figure.savefig(path)

"""Classes of a folder of images: a table, JSON, and a sheet of pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from lightning_nas.architecture import write_atomic
from lightning_nas.tasks.classification.predictions_sheet import MOST_PICTURES, Guess, draw_guesses
from lightning_nas.tasks.classification.preparation import Preparation
from lightning_nas.tasks.images.predictions import images_to_predict, make_folders, naming
from lightning_nas.tasks.images.problems import DataError

MOST_CLASSES = 5
"""Classes that are listed per image, at most."""


def predict_images(
    classify: Callable[[Tensor], Tensor],
    images: Path,
    out: Path,
    classes: Sequence[Mapping[str, Any]],
    device: torch.device,
    preparation: Preparation,
    *,
    batch_size: int,
    skip_invalid: bool = False,
) -> None:
    """Writes ``predictions.csv``, ``predictions.json`` and ``predictions.png``.

    A row of the table holds the file, the most probable class and its probability, then the next ones. The JSON holds
    the same and the sizes of the images; the sheet shows the first images.

    Args:
        classify: ``(B, channels, crop, crop)`` -> logits ``(B, classes)``.
        images: Folder, with its sub-folders; what is hidden or no image by its name is passed over.
        out: Folder to write, made if need be.
        classes: ``id`` and ``name`` of each.
        device: Where the network is.
        preparation: Of validation images in the run.
        batch_size: Images at a time.
        skip_invalid: Leave out images that cannot be read, with a warning that counts them.

    Raises:
        ValueError: If there are no images, or one cannot be read.
        RuntimeError: If the network fails on images; it names them.
    """
    paths = images_to_predict(images, out, skip_invalid=skip_invalid)
    make_folders([out / f"predictions.{ending}" for ending in ("csv", "json", "png")], paths)
    pipeline = preparation.pipeline()
    records: list[dict[str, Any]] = []
    guesses: list[Guess] = []
    for start in track(range(0, len(paths), batch_size), "classifying"):
        part = paths[start : start + batch_size]
        arrays = [preparation.read(path) for path in part]
        with naming(part), torch.inference_mode():
            batch = torch.stack([pipeline(pixels) for pixels in arrays])
            probabilities = classify(batch.to(device)).float().softmax(dim=1).cpu()
        if probabilities.shape[1] != len(classes):
            raise DataError(f"the network knows {probabilities.shape[1]} classes, and {len(classes)} are named")
        for path, pixels, row in zip(part, arrays, probabilities, strict=True):
            found = _best(row, classes)
            name = path.relative_to(images).as_posix()
            records.append({"file_name": name, "height": pixels.shape[0], "width": pixels.shape[1], "classes": found})
            if len(guesses) < MOST_PICTURES:
                guesses.append(Guess.of(pixels, name, [(entry["name"], entry["probability"]) for entry in found]))
    write_atomic(out / "predictions.csv", to_csv(records))
    listed = [{"id": entry["id"], "name": entry["name"]} for entry in classes]
    write_atomic(out / "predictions.json", json.dumps({"images": records, "classes": listed}))
    draw_guesses(guesses).savefig(out / "predictions.png")


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """``file,class,probability,class_2,probability_2,...``, one row per image."""
    count = len(records[0]["classes"])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    more = [f"{name}_{place}" for place in range(2, count + 1) for name in ("class", "probability")]
    writer.writerow(["file", "class", "probability", *more])
    for record in records:
        cells = [cell for entry in record["classes"] for cell in (entry["name"], f"{entry['probability']:.6f}")]
        writer.writerow([record["file_name"], *cells])
    return buffer.getvalue()


def _best(probabilities: Tensor, classes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The most probable classes, the first one first."""
    values, labels = probabilities.topk(min(MOST_CLASSES, len(classes)))
    return [
        {"id": classes[label]["id"], "name": classes[label]["name"], "probability": value}
        for value, label in zip(values.tolist(), labels.tolist(), strict=True)
    ]

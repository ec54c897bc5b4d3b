"""The worst images of a detector: what is there beside what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.ops import nms

from lightning_nas.tasks.detection.drawing import HUES, LEAST_SCORE, MOST_OVERLAP
from lightning_nas.tasks.detection.resampling import matched_classes
from lightning_nas.tasks.images.gallery import Drawn, fitted

SCORE = "F1 of the image at an overlap of 0.5"
FORMULA = (
    f"The score of an image is F1 = 2 TP / (2 TP + FP + FN) over all boxes with a score of at least {LEAST_SCORE}, "
    "and no others are drawn. TP: boxes that overlap an object of their class by at least 0.5 (intersection over union), the "
    "surest box first, each object once; FP: all others; FN: objects without a box. Boxes on groups of objects (crowds) do "
    "not count. An image without objects and boxes has 1. Of boxes that lie on each other (overlap above "
    f"{MOST_OVERLAP}) the surest is drawn."
)
MOST_BOXES = 30
"""The surest boxes that are drawn, so that the image can be seen below them."""

SIZE = 11
"""Of letters, in pixels."""


def f1_of_image(found: Mapping[str, Tensor], truth: Mapping[str, Tensor], least: float = LEAST_SCORE) -> float:
    """F1 of the boxes of one image, see :data:`FORMULA`.

    Args:
        found: ``boxes (n, 4)``, ``labels (n,)``, ``scores (n,)``, on the CPU.
        truth: ``boxes (m, 4)``, ``labels (m,)``, ``iscrowd (m,)``, on the CPU.
        least: Boxes with a lower score do not count.

    Example:
        >>> import torch
        >>> truth = {"boxes": torch.tensor([[0, 0, 4, 4.0], [8, 8, 9, 9]]), "labels": torch.tensor([1, 1])}
        >>> truth["iscrowd"] = torch.tensor([0, 0])
        >>> found = {"boxes": truth["boxes"][:1], "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
        >>> round(f1_of_image(found, truth), 4)
        0.6667
    """
    kept = found["scores"] >= least
    sure = {name: found[name][kept] for name in ("boxes", "labels", "scores")}
    classes = matched_classes([(sure, dict(truth))])
    right = sum(int((one.right & one.counts)[0].sum()) for one in classes)
    wrong = sum(int((~one.right & one.counts)[0].sum()) for one in classes)
    there = {int(label) for label in truth["labels"]}
    wrong += sum(int(label) not in there for label in sure["labels"])
    missed = sum(int(one.objects.sum()) for one in classes) - right
    return 1.0 if right + wrong + missed == 0 else 2 * right / (2 * right + wrong + missed)


def drawn_boxes(
    image: np.ndarray,
    found: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    names: Sequence[str] | None,
    least: float = LEAST_SCORE,
) -> Drawn:
    """Two pictures of an image: its true boxes, and those that were found.

    Args:
        image: ``(H, W, 3)`` of ``uint8``.
        found: ``boxes``, ``labels``, ``scores``.
        truth: ``boxes``, ``labels``.
        names: Of the classes, whose labels count from 1; numbers if None.
        least: Boxes with a lower score are not drawn.
    """
    order = np.argsort(-found["scores"], kind="stable")
    sure = order[found["scores"][order] >= least]
    given = torch.from_numpy(found["boxes"][sure]).float(), torch.from_numpy(found["scores"][sure]).float()
    shown = sure[nms(*given, MOST_OVERLAP).numpy()[:MOST_BOXES]]
    said = [f"{len(truth['boxes'])} true, {len(sure)} found"]
    if len(sure) > len(shown):
        said.append(f"{len(shown)} of these {'is' if len(shown) == 1 else 'are'} drawn")
    if not len(sure) and len(order):
        said.append(f"the surest box has {found['scores'][order[0]]:.2f}")
    true = [(box, int(label), "") for box, label in zip(truth["boxes"], truth["labels"], strict=True)]
    seen = [(found["boxes"][i], int(found["labels"][i]), f" {found['scores'][i]:.2f}") for i in reversed(shown)]
    return "; ".join(said), [
        ("truth", _with_boxes(image, true, names)),
        ("prediction", _with_boxes(image, seen, names)),
    ]


def _with_boxes(
    image: np.ndarray, boxes: Sequence[tuple[np.ndarray, int, str]], names: Sequence[str] | None
) -> np.ndarray:
    small = fitted(image)
    scale = np.array([small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]] * 2)
    picture = Image.fromarray(small)
    draw, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, SIZE)
    for box, label, behind in boxes:
        left, top, right, bottom = (float(value) for value in box * scale)
        hue = tuple(round(255 * part) for part in HUES[label % len(HUES)][:3])
        draw.rectangle((left, top, max(right, left), max(bottom, top)), outline=hue, width=2)
        text = f"{names[label - 1] if names else label}{behind}"
        width, height = draw.textlength(text, font), SIZE + 3
        x = min(max(left, 0.0), max(picture.width - width - 4, 0.0))
        y = top - height if top >= height else min(top, picture.height - height)
        draw.rectangle((x, y, x + width + 4, y + height), fill=hue)
        draw.text((x + 2, y), text, fill=(20, 23, 28), font=font)
    return np.asarray(picture)


FONT = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
"""Comes with matplotlib, and knows the letters of most alphabets."""

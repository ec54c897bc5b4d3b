"""Generated street scenes: what a driver sees, painted class by class from far to near, written in Cityscapes' layout."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lightning_nas.tasks.segmentation.data.street_scene import Scene

FINE = 3
"""Scenes are painted at this multiple of the size: pictures are averaged, label maps take the middle pixel."""


def write_streets(root: Path, counts: dict[str, int], *, height: int, width: int, seed: int) -> None:
    """Writes ``leftImg8bit/<split>/generated/`` and ``gtFine/<split>/generated/``, unless they are there.

    The folder appears at once and whole: several processes may ask for it at the same time.

    Args:
        root: The folder to make.
        counts: Split -> number of scenes.
        height: Of the images.
        width: Of the images.
        seed: Of everything.
    """
    if root.is_dir():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        for position, (split, count) in enumerate(counts.items()):
            folders = [draft / kind / split / "generated" for kind in ("leftImg8bit", "gtFine")]
            for folder in folders:
                folder.mkdir(parents=True)
            for number in range(count):
                picture, labels = paint(height, width, np.random.default_rng([seed, position, number]))
                stem = f"generated_{number:06d}_000019"
                Image.fromarray(picture).save(folders[0] / f"{stem}_leftImg8bit.png")
                Image.fromarray(labels).save(folders[1] / f"{stem}_gtFine_labelIds.png")
        draft.chmod(0o755)
        try:
            draft.rename(root)
        except OSError:
            if not root.is_dir():  # else another process was quicker, with the same content
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def paint(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A scene: picture ``(H, W, 3)`` and label ids of Cityscapes ``(H, W)``, both ``uint8``."""
    scene = Scene(FINE * height, FINE * width, rng)
    scene.paint_all()
    small = cv2.resize(scene.picture, (width, height), interpolation=cv2.INTER_AREA)
    light = rng.uniform(0.6, 1.25) * rng.uniform(0.92, 1.08, 3)
    noisy = small * light + rng.normal(0, 7, small.shape)
    labels = scene.labels[FINE // 2 :: FINE, FINE // 2 :: FINE]
    return noisy.clip(0, 255).astype(np.uint8), np.ascontiguousarray(labels[:height, :width])

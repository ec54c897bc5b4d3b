"""What a segmentation answers outside of training: label maps of folders and of images, and the network to hand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from lightning_nas.models import Deployment, ModelRecord
from lightning_nas.tasks.images.task import FolderOfImages
from lightning_nas.tasks.segmentation.deployment import pixel_deployment
from lightning_nas.tasks.segmentation.predict import checked_scale, labelled, predict_images
from lightning_nas.tasks.segmentation.results import LabelMap


class PixelAnswers:
    """Part of a task with ``predict_step``, ``head`` and ``testing``."""

    head: nn.Module
    predict_step: Any
    device: Any

    def predict_images(self, folder: FolderOfImages) -> None:
        """Writes label maps and overlays, image by image, see :func:`predict_images`.

        The preparation is that of :class:`SegmentationDataModule`.

        Raises:
            ArgumentError: If its scale is none.
        """
        predict_images(
            self.predict_step, folder.images, folder.out, folder.classes, self.device,
            scale=checked_scale(folder.preparation), skip_invalid=folder.skip_invalid,
        )  # fmt: skip

    def predict_pixels(
        self, images: Sequence[np.ndarray], classes: Sequence[Mapping[str, Any]], preparation: Mapping[str, Any]
    ) -> list[LabelMap]:
        """The class of every pixel of each image, in the image's own size."""
        names = tuple(str(entry["name"]) for entry in classes)
        scale = checked_scale(preparation)
        return [LabelMap(labelled(self.predict_step, pixels, self.device, scale), names) for pixels in images]

    def network_parts(self) -> dict[str, nn.Module]:
        """The head."""
        return {"head": self.head}

    def deployment(self, record: ModelRecord, size: tuple[int, int] | None) -> Deployment:
        """The network with its views of an image as in a test; see :func:`pixel_deployment`."""
        return pixel_deployment(self, checked_scale(record.preparation), size or record.image_size)

"""Object detection: an ordinary LightningModule around torchvision's detectors and any backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.models import Deployment, ModelRecord
from lightning_nas.networks.normalization import Normalization, convert_norms
from lightning_nas.search.presentation import MetricTable
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.necks.neck import StackedNeck
from lightning_nas.tasks.detection.dataset import Target
from lightning_nas.tasks.detection.deployment import detector_deployment, detector_parts
from lightning_nas.tasks.detection.detectors import Detector, HeadNorm, Pyramid, build_detector
from lightning_nas.tasks.detection.distillation import BoxDistillation
from lightning_nas.tasks.detection.metrics import AP_TABLE, AveragePrecision
from lightning_nas.tasks.detection.necks import Neck, build_neck
from lightning_nas.tasks.detection.predict import predict_images
from lightning_nas.tasks.detection.records import TestRecord
from lightning_nas.tasks.detection.results import Detections
from lightning_nas.tasks.images.optimization import OptimizerName, check_named, make_optimizer, make_schedules
from lightning_nas.tasks.images.parameter_groups import Grouping, parameter_groups
from lightning_nas.tasks.images.task import FolderOfImages, ImageTask

Batch = tuple[list[Tensor], list[Target]]


class DetectionTask(BoxDistillation, ImageTask):
    """Trains a detector over the epochs of its Trainer.

    After a test the folder of the first logger holds ``detections.json``, all detections in COCO's results format,
    ``samples.jpg``, some images with true and predicted boxes, and ``gallery.json``, the worst ones.

    Args:
        backbone: Image -> feature maps. If they are those of a backbone, a neck is put on them; the maps of a network
            that ends with a neck are taken as they are.
        num_classes: Number of classes of objects.
        detector: ``"retinanet"``, ``"fcos"`` or ``"faster_rcnn"``.
        neck: Put on a backbone: ``"fpn"``, ``"panet"``, ``"bifpn"``, or ``"nas_fpn"``, the published one; which levels it has
            follows from the detector, see :func:`build_neck`.
        channels: Width of that neck.
        min_size: The shorter side of images is resized to this ...
        max_size: ... as long as the longer one stays below that.
        anchor_scale: Smallest anchor of a level in multiples of its stride: 4 in RetinaNet's paper, 8 in that of FPN for
            Faster R-CNN.
        head_convs: Convolutions in the towers of the head; a backbone with a part :class:`~lightning_nas.spaces.TowerHead`
            says that itself.
        head_norm: Whether RetinaNet's towers have ``"group"`` normalisation or ``"none"``.
        deep_supervision: Train the head on the result of every stack of a NAS-FPN neck, not of the last one only; the loss
            is the mean (Ghiasi et al. 2019, arXiv 1904.07392, section 3.3).
        norm: BatchNorm of backbone and neck: ``"batch"``, ``"frozen"`` (with weights that were trained elsewhere),
            ``"sync"`` (over the ranks, on GPUs), or ``"group"`` instead.
        optimizer: ``"sgd"`` or ``"adamw"``.
        lr: Learning rate after the warm-up.
        momentum: Of SGD.
        weight_decay: Of the optimizer.
        backbone_lr: Factor of the learning rate in the backbone, e.g. 0.1 where it is pretrained.
        layer_decay: Factor of the learning rate from a stage of the backbone to the one before it, counted from the head, see
            :class:`~lightning_nas.tasks.images.parameter_groups.Grouping`.
        decay_norms: Whether norms and biases have weight decay, too.
        schedule: ``"steps"``: times 0.1 at each of the milestones; ``"cosine"``: down to 0 over the epochs.
        milestones: Epochs after which the learning rate falls.
        warmup_steps: Batches over which the learning rate rises linearly.

    Raises:
        ValueError: If an argument is out of range.
    """

    headline = "map"
    report_pictures: ClassVar = {
        "samples.jpg": "White dashed boxes are true; coloured ones were predicted, with their score."
    }

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        detector: Detector = "retinanet",
        neck: Neck = "fpn",
        channels: int = 256,
        min_size: int = 800,
        max_size: int = 1333,
        anchor_scale: float = 4.0,
        head_convs: int = 4,
        head_norm: HeadNorm = "none",
        deep_supervision: bool = False,
        norm: Normalization = "batch",
        optimizer: OptimizerName = "sgd",
        lr: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        backbone_lr: float = 1.0,
        layer_decay: float = 1.0,
        decay_norms: bool = True,
        schedule: Literal["steps", "cosine"] = "steps",
        milestones: Sequence[int] = (8, 11),
        warmup_steps: int = 500,
    ) -> None:
        super().__init__()
        self.save_arguments(locals())
        if num_classes < 1:
            raise ArgumentError(f"num_classes must be at least 1, got {num_classes}")
        check_named(optimizer=(optimizer, ("sgd", "adamw")), schedule=(schedule, ("steps", "cosine")))
        if warmup_steps < 0:
            raise ArgumentError(f"warmup_steps must be at least 0, got {warmup_steps}")
        self.optimizer_name, self.lr, self.momentum, self.weight_decay = optimizer, lr, momentum, weight_decay
        self.schedule, self.milestones, self.warmup_steps = schedule, tuple(milestones), warmup_steps
        self.grouping = Grouping(backbone_lr=backbone_lr, layer_decay=layer_decay, decay_norms=decay_norms)
        self.grouping.check(backbone)
        self.min_size, self.norm = min_size, norm
        self.backbone = backbone
        has_neck = getattr(backbone, "role", "backbone") == "neck"  # backbones from elsewhere know no roles
        two_stages = detector == "faster_rcnn"
        self.neck = None if has_neck else build_neck(neck, channels, backbone.feature_info, two_stages=two_stages)
        self._stacked = [part for part in self.modules() if isinstance(part, StackedNeck)] if deep_supervision else []
        if deep_supervision and not self._stacked:
            raise ArgumentError("deep_supervision = True needs a neck of several stacks (nas_fpn), and there is none")
        convert_norms(self.backbone, norm)
        if self.neck is not None:
            convert_norms(self.neck, norm)
        self.detector = build_detector(
            detector,
            Pyramid([self.backbone] if self.neck is None else [self.backbone, self.neck]),
            num_classes,
            min_size=min_size,
            max_size=max_size,
            anchor_scale=anchor_scale,
            head_convs=head_convs,
            head_norm=head_norm,
        )
        self.val_metric, self.test_metric = AveragePrecision(), AveragePrecision()
        self.record = TestRecord()

    def report_tables(self, datamodule: Any) -> list[MetricTable]:
        """COCO's average precision: over all IoU thresholds, at 0.5, at 0.75, and by size of the objects."""
        return [AP_TABLE]

    @property
    def input_size(self) -> tuple[int, int, int]:
        """Channels, height and width of a square image as the backbone sees it: resized and padded."""
        shorter, _ = self.detector.transform.active_sides
        side = self.detector.transform.padded_side(shorter)
        return (3, side, side)

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Images ``(3, H, W)`` from 0 to 1 -> ``boxes (n, 4)``, ``labels (n,)``, ``scores (n,)`` of each."""
        detections: list[dict[str, Tensor]] = self.detector(images)
        return detections

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The sum of the detector's losses."""
        images, targets = batch
        with self.training_on(len(images), batch_idx):
            losses = self._losses(images, targets)
        loss = torch.stack(list(losses.values())).sum()
        named = {f"train/{name}": value for name, value in losses.items()}
        self.log_dict(named, on_epoch=True, on_step=False, batch_size=len(images))
        self.log("train/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(images))
        return loss

    def _losses(self, images: list[Tensor], targets: list[Target]) -> dict[str, Tensor]:
        for neck in self._stacked:
            neck.keep_results = True
        try:
            every: list[dict[str, Tensor]] = [self.detector(images, targets)]
            for neck in self._stacked:
                *earlier, _ = neck.results
                for maps in earlier:
                    with self.detector.backbone.giving(maps):
                        every.append(self.detector(images, targets))
        finally:
            for neck in self._stacked:
                neck.keep_results, neck.results = False, []
        return {name: torch.stack([losses[name] for losses in every]).mean() for name in every[0]}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects detections."""
        images, targets = batch
        self.val_metric.update(self(images), targets)

    def on_validation_epoch_end(self) -> None:
        """Average precision of the epoch."""
        self._log(self.val_metric, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects detections, for the metrics and for the files."""
        images, targets = batch
        detections = self(images)
        self.test_metric.update(detections, targets)
        self.record.add(images, targets, detections, getattr(self.datamodule, "categories", None))

    def on_test_epoch_end(self) -> None:
        """Average precision; writes ``detections.json``, ``samples.jpg`` and ``gallery.json``."""
        self.headline_interval = self.test_metric.interval()
        self._log(self.test_metric, "test")
        self.record.write(self.output_folder(), getattr(self.datamodule, "categories", None))

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> list[dict[str, Tensor]]:
        """Detections of a list of images."""
        return self(batch)

    def predict_images(self, folder: FolderOfImages) -> None:
        """Writes detections, see :func:`predict_images`; detectors prepare images themselves."""
        predict_images(
            self, folder.images, folder.out, folder.classes, folder.batch_size, skip_invalid=folder.skip_invalid
        )

    def predict_pixels(
        self, images: Sequence[np.ndarray], classes: Sequence[Mapping[str, Any]], preparation: Mapping[str, Any]
    ) -> list[Detections]:
        """The objects on each image."""
        batch = [torch.from_numpy(pixels.transpose(2, 0, 1).copy()).to(self.device).float() / 255 for pixels in images]
        return [Detections.of(found, classes) for found in self(batch)]

    def network_parts(self) -> dict[str, nn.Module]:
        """Neck and head."""
        return detector_parts(self)

    def deployment(self, record: ModelRecord, size: tuple[int, int] | None) -> Deployment:
        """The detector with the suppression of boxes, for images of one size; see :func:`detector_deployment`."""
        return detector_deployment(self, size)

    def configure_optimizers(self) -> Any:
        """The optimizer, with a warm-up per batch and a schedule per epoch."""
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = parameter_groups(trained, self.backbone, self.grouping, lr=self.lr, weight_decay=self.weight_decay)
        optimizer = make_optimizer(self.optimizer_name, groups, momentum=self.momentum)
        schedules = make_schedules(
            optimizer,
            self.schedule,
            self.trainer.max_epochs,
            lr=self.lr,
            warmup_steps=self.warmup_steps,
            milestones=self.milestones,
        )
        return [optimizer], schedules

    def _log(self, metric: AveragePrecision, stage: str) -> None:
        values = metric.compute()  # of all ranks
        metric.reset()
        if not self.trainer.sanity_checking:
            self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, sync_dist=True)

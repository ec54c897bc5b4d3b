"""Semantic segmentation: an ordinary LightningModule around any backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.normalization import Normalization, convert_norms
from lightning_nas.ops.layers.checkpointing import set_recompute
from lightning_nas.search.presentation import MetricTable
from lightning_nas.spaces import Backbone, Supernet
from lightning_nas.spaces.heads.network import head_part
from lightning_nas.spaces.ordered import share
from lightning_nas.tasks.images import IMAGENET_MEAN, IMAGENET_STD
from lightning_nas.tasks.images.optimization import (
    OptimizerName,
    check_named,
    check_ranges,
    make_optimizer,
    make_schedules,
)
from lightning_nas.tasks.images.parameter_groups import Grouping, parameter_groups
from lightning_nas.tasks.images.task import ImageTask
from lightning_nas.tasks.segmentation.answers import PixelAnswers
from lightning_nas.tasks.segmentation.data.labels import IGNORE
from lightning_nas.tasks.segmentation.distillation import PixelDistillation
from lightning_nas.tasks.segmentation.drawing import default_palette
from lightning_nas.tasks.segmentation.elastic_heads import check_numbers, make_head_elastic
from lightning_nas.tasks.segmentation.evaluation import Batch, Evaluation, of_equal_size, predicted_labels
from lightning_nas.tasks.segmentation.heads import Head, build_head
from lightning_nas.tasks.segmentation.losses import checked_class_weights, pixel_cross_entropy
from lightning_nas.tasks.segmentation.metrics import ConfusionMatrix, MatricesOfImages, iou_table, summarize
from lightning_nas.tasks.segmentation.records import TestRecord


class SegmentationTask(PixelAnswers, PixelDistillation, ImageTask):
    """Trains a network to label every pixel, over the epochs of its Trainer.

    After a test the folder of the first logger holds ``samples.jpg``: image, truth and prediction of some images, and
    ``gallery.json``: the worst ones.

    Args:
        backbone: Image -> feature maps.
        num_classes: Number of classes; pixels of label 255 do not count.
        head: ``"deeplab"``: ASPP and decoder of DeepLabV3+; ``"per_level"``: a small ASPP on every map, the head of
            Auto-DeepLab's search; ``"light"``: LR-ASPP, for real-time networks.
        channels: Width of the head (``per_level`` is as wide as its maps). A backbone with a part
            :class:`~lightning_nas.spaces.AtrousHead` decides what share of it there is, and of the atrous rates.
        dropout: In the head.
        separable: Whether the 3x3 convolutions of ``deeplab`` are separable.
        class_weights: Weight of each class in the loss; None for equal ones.
        ohem_threshold: Only pixels whose true class has a probability below this train; None for all.
        ohem_least: Share of the pixels that train at least, the hardest ones.
        norm: BatchNorm of backbone and head: ``"batch"``, ``"frozen"`` (with weights that were trained elsewhere),
            ``"sync"`` (over the ranks, on GPUs), or ``"group"`` instead.
        recompute: Recompute the activations of cells in the backward pass: less memory, more time.
        optimizer: ``"sgd"`` or ``"adamw"``.
        lr: Learning rate after the warm-up.
        lr_min: Where the cosine ends.
        momentum: Of SGD.
        weight_decay: Of the optimizer.
        backbone_lr: Factor of the learning rate in the backbone, e.g. 0.1 where it is pretrained.
        layer_decay: Factor of the learning rate from a stage of the backbone to the one before it, counted from the head, see
            :class:`~lightning_nas.tasks.images.parameter_groups.Grouping`.
        decay_norms: Whether norms and biases have weight decay, too.
        schedule: ``"poly"`` or ``"cosine"``, both per epoch.
        power: Of poly.
        warmup_steps: Batches over which the learning rate rises linearly.
        eval_window: Height and width of windows that slide over images in validation and test; None: whole images.
        eval_overlap: Share of a window that its neighbour covers again.
        eval_scales: Scales at which test images are seen.
        eval_flip: Whether test images are seen mirrored as well.

    Raises:
        ValueError: If an argument is out of range.
    """

    headline = "miou"
    report_pictures: ClassVar = {
        "samples.jpg": "From left to right: the image, the truth (black pixels do not count), the prediction over the image."
    }
    class_weights: Tensor | None
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        head: Head = "deeplab",
        channels: int = 256,
        dropout: float = 0.1,
        separable: bool = False,
        class_weights: Sequence[float] | None = None,
        ohem_threshold: float | None = None,
        ohem_least: float = 0.0625,
        norm: Normalization = "batch",
        recompute: bool = False,
        optimizer: OptimizerName = "sgd",
        lr: float = 0.05,
        lr_min: float = 0.0,
        momentum: float = 0.9,
        weight_decay: float = 4e-5,
        backbone_lr: float = 1.0,
        layer_decay: float = 1.0,
        decay_norms: bool = True,
        schedule: Literal["poly", "cosine"] = "poly",
        power: float = 0.9,
        warmup_steps: int = 0,
        eval_window: Sequence[int] | None = None,
        eval_overlap: float = 0.3333,
        eval_scales: Sequence[float] = (1.0,),
        eval_flip: bool = False,
    ) -> None:
        super().__init__()
        self.save_arguments(locals())
        check_named(optimizer=(optimizer, ("sgd", "adamw")), schedule=(schedule, ("poly", "cosine")))
        check_ranges(
            num_classes=(num_classes, 2, IGNORE),
            channels=(channels, 1, 8192),
            warmup_steps=(warmup_steps, 0, 10**9),
            dropout=(dropout, 0.0, 0.999),
            ohem_threshold=(1.0 if ohem_threshold is None else ohem_threshold, 1e-6, 1.0),
            ohem_least=(ohem_least, 0.0, 1.0),
        )
        weights = checked_class_weights(class_weights, num_classes)
        self.num_classes, self.norm = num_classes, norm
        self.ohem_threshold, self.ohem_least = ohem_threshold, ohem_least
        self.optimizer_name, self.lr, self.lr_min = optimizer, lr, lr_min
        self.momentum, self.weight_decay = momentum, weight_decay
        self.schedule, self.power, self.warmup_steps = schedule, power, warmup_steps
        self.grouping = Grouping(backbone_lr=backbone_lr, layer_decay=layer_decay, decay_norms=decay_norms)
        self.grouping.check(backbone)
        window = None if eval_window is None else tuple(eval_window)
        self.validation = Evaluation(window, eval_overlap)
        self.testing = Evaluation(window, eval_overlap, tuple(eval_scales), eval_flip)
        self.backbone = backbone
        part = head_part(backbone, knows="atrous_head", of="a segmentation head")
        percent, rates = (100, 100) if part is None else (part.numbers["width"], part.numbers["rates"])
        if part is not None:
            check_numbers(head, part, separable=separable, norm=norm)
        maps, width = backbone.feature_info, share(channels, percent)
        self.head = build_head(head, maps, num_classes, width, dropout, separable=separable, rates=rates)
        convert_norms(self.backbone, norm)
        convert_norms(self.head, norm)
        if isinstance(part, Supernet):
            make_head_elastic(self.head, maps, channels, part)
        if not set_recompute(self.backbone, recompute) and recompute:
            raise ArgumentError(
                f"recompute = True: {type(backbone).__name__} has no cells or blocks that can be recomputed"
            )
        self.register_buffer("class_weights", weights, persistent=False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.test_images = MatricesOfImages(num_classes, IGNORE)
        self.val_matrix, self.test_matrix = ConfusionMatrix(num_classes, IGNORE), ConfusionMatrix(num_classes, IGNORE)
        self.record = TestRecord()

    def report_tables(self, datamodule: Any) -> list[MetricTable]:
        """Intersection over union of every class."""
        return [iou_table(self._class_names(datamodule))]

    def _class_names(self, datamodule: Any) -> Sequence[str]:
        return getattr(datamodule, "class_names", None) or [str(index) for index in range(self.num_classes)]

    def _palette(self) -> Sequence[Sequence[int]]:
        return [entry.color for entry in getattr(self.datamodule, "classes", ())] or default_palette(self.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)`` from 0 to 1 -> logits ``(B, num_classes, H, W)``."""
        maps = self.backbone((images - self.mean) / self.std)
        logits: Tensor = self.head(maps, (images.shape[-2], images.shape[-1]))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross entropy of the pixels that count."""
        images, labels = batch
        with self.training_on(len(images), batch_idx):
            logits = self(images)
        loss = pixel_cross_entropy(
            logits.float(),
            labels,
            ignore=IGNORE,
            class_weights=self.class_weights,
            hard_below=self.ohem_threshold,
            least_kept=self.ohem_least,
        )
        self.log("train/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Counts pixels."""
        for images, labels in of_equal_size(batch):
            self.val_matrix.update(predicted_labels(self.validation.probabilities(self, images)), labels)

    def on_validation_epoch_end(self) -> None:
        """Metrics of the epoch, over all ranks."""
        values = summarize(self.val_matrix.compute())
        self.val_matrix.reset()
        if not self.trainer.sanity_checking:
            self.log_dict({f"val/{name}": value for name, value in values.items()})

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Counts pixels, keeps some images."""
        for images, labels in of_equal_size(batch):
            predicted = predicted_labels(self.testing.probabilities(self, images))
            self.test_matrix.update(predicted, labels)
            matrices = self.test_images.add(predicted, labels)
            for image, truth, found, matrix in zip(images, labels, predicted, matrices, strict=True):
                self.record.add(image, truth, found, matrix, self._palette(), self._class_names(self.datamodule))

    def on_test_epoch_end(self) -> None:
        """Metrics, also of every class; writes ``samples.jpg`` and ``gallery.json``."""
        values = summarize(self.test_matrix.compute(), self._class_names(self.datamodule))
        self.test_matrix.reset()
        self.headline_interval = self.test_images.interval()
        self.test_images.reset()
        self.log_dict({f"test/{name}": value for name, value in values.items()})
        self.record.write(self.output_folder(), self._palette())

    def predict_step(self, batch: Tensor, batch_idx: int = 0) -> Tensor:
        """Labels ``(B, H, W)`` of images ``(B, 3, H, W)``."""
        return predicted_labels(self.testing.probabilities(self, batch))

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
            lr_min=self.lr_min,
            power=self.power,
        )
        return [optimizer], schedules

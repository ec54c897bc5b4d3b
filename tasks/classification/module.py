"""Image classification: an ordinary LightningModule around any backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torchmetrics
from torch import Tensor, nn
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
)

from lightning_nas.errors import ArgumentError
from lightning_nas.evaluation.bootstrap import interval
from lightning_nas.models import Deployment, ModelRecord
from lightning_nas.spaces import Backbone
from lightning_nas.tasks.classification.confusion import draw_confusion
from lightning_nas.tasks.classification.deployment import classifier_deployment
from lightning_nas.tasks.classification.distillation import ClassDistillation
from lightning_nas.tasks.classification.heads import AuxiliaryHead, ClassificationHead
from lightning_nas.tasks.classification.metrics import MeanRecall
from lightning_nas.tasks.classification.mixing import mixing
from lightning_nas.tasks.classification.predict import predict_images
from lightning_nas.tasks.classification.preparation import Preparation
from lightning_nas.tasks.classification.records import TestRecord
from lightning_nas.tasks.classification.results import ClassProbabilities
from lightning_nas.tasks.images.norm_checks import explaining_single_values
from lightning_nas.tasks.images.optimization import cosine_schedule, make_optimizer
from lightning_nas.tasks.images.parameter_groups import Grouping, parameter_groups
from lightning_nas.tasks.images.task import FolderOfImages, ImageTask


class ClassificationTask(ClassDistillation, ImageTask):
    """Trains a classifier with SGD over the epochs of its Trainer.

    Shows the confusion matrix after every validation to loggers that take figures, and writes that of the test to
    ``confusion.png`` in the folder of the first logger, beside ``gallery.json``, the worst test images.

    Args:
        backbone: Image -> feature maps; the last one is classified.
        num_classes: Number of classes.
        lr: Initial learning rate; 0.1 is that of residual networks (He et al. 2016) and of NAS-Bench-201, cells of DARTS
            have 0.025.
        lr_min: Final learning rate of the cosine and linear schedules.
        schedule: From ``lr`` to ``lr_min`` over all epochs, ``"cosine"`` or ``"linear"``; or ``"exponential"``: times
            ``lr_decay`` after every epoch.
        lr_decay: Factor of the exponential schedule.
        momentum: Of SGD.
        nesterov: Whether SGD looks ahead.
        weight_decay: Of SGD.
        backbone_lr: Factor of the learning rate in the backbone, e.g. 0.1 where it is pretrained.
        layer_decay: Factor of the learning rate from a stage of the backbone to the one before it, counted from the head, see
            :class:`~lightning_nas.tasks.images.parameter_groups.Grouping`.
        decay_norms: Whether norms and biases have weight decay, too.
        label_smoothing: Share of the target that is spread over all classes.
        auxiliary_weight: Weight of the auxiliary classifier's loss; 0 for none.
        mixup_alpha: Mixes training images in pairs; parameter of the Beta distribution, 0 for none.
        cutmix_alpha: Pastes rectangles of other training images; the same, 0 for none.

    Raises:
        ValueError: If an argument is out of range, or an auxiliary classifier is asked for and the backbone has no tap
            for one.
    """

    headline = "accuracy"

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        lr: float = 0.1,
        lr_min: float = 0.0,
        schedule: Literal["cosine", "linear", "exponential"] = "cosine",
        lr_decay: float = 0.97,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 3e-4,
        backbone_lr: float = 1.0,
        layer_decay: float = 1.0,
        decay_norms: bool = True,
        label_smoothing: float = 0.0,
        auxiliary_weight: float = 0.0,
        mixup_alpha: float = 0.0,
        cutmix_alpha: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_arguments(locals())
        if num_classes < 2:
            raise ArgumentError(f"num_classes must be at least 2, got {num_classes}")
        if schedule not in ("cosine", "linear", "exponential"):
            raise ArgumentError(f"schedule must be 'cosine', 'linear' or 'exponential', got {schedule!r}")
        if not 0 < lr_decay <= 1:
            raise ArgumentError(f"lr_decay must be above 0 and at most 1, got {lr_decay}")
        if schedule == "exponential" and lr_min:
            raise ArgumentError(
                f"lr_min belongs to the cosine and linear schedules; with schedule = 'exponential' got {lr_min}"
            )
        self.schedule, self.lr_decay = schedule, lr_decay
        self.lr, self.lr_min, self.momentum = lr, lr_min, momentum
        self.nesterov, self.weight_decay, self.auxiliary_weight = nesterov, weight_decay, auxiliary_weight
        self.grouping = Grouping(backbone_lr=backbone_lr, layer_decay=layer_decay, decay_norms=decay_norms)
        self.grouping.check(backbone)
        self.backbone = backbone
        self.head = ClassificationHead(backbone.feature_info.channels()[-1], num_classes)
        self.auxiliary_head: nn.Module | None = None
        if auxiliary_weight:
            info = backbone.auxiliary_info
            if info is None:
                raise ArgumentError(f"auxiliary_weight = {auxiliary_weight}, but the backbone has no auxiliary tap")
            self.auxiliary_head = AuxiliaryHead(info.channels, num_classes, imagenet=info.reduction >= 16)
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.mix = mixing(num_classes, mixup_alpha, cutmix_alpha)
        self.val_metrics, self.test_metrics = (_metrics(num_classes, f"{stage}/") for stage in ("val", "test"))
        self.val_confusion = MulticlassConfusionMatrix(num_classes)
        self.test_confusion = MulticlassConfusionMatrix(num_classes)
        self.record = TestRecord()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, num_classes)``."""
        logits: Tensor = self.head(self.backbone(x))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross entropy, plus that of the auxiliary classifier; ``labels`` become shares if images are mixed."""
        images, labels = batch if self.mix is None else self.mix(*batch)
        with explaining_single_values("larger images"):
            features, tap = self.backbone.forward_auxiliary(images)
            loss = self.loss(self.head(features), labels)
            if self.auxiliary_head is not None:
                loss = loss + self.auxiliary_weight * self.loss(self.auxiliary_head(tap), labels)
        self.log("train/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss and metrics on the validation images."""
        self.val_confusion.update(*self._evaluate(batch, self.val_metrics, "val/loss"))

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss and metrics on the test images."""
        logits, labels = self._evaluate(batch, self.test_metrics, "test/loss")
        self.test_confusion.update(logits, labels)
        self.record.add(batch[0], labels, logits, self.datamodule)

    def on_validation_epoch_end(self) -> None:
        """Shows the confusion matrix."""
        self._show_confusion(self.val_confusion, "val/confusion")

    def on_test_epoch_end(self) -> None:
        """Shows the confusion matrix; writes ``confusion.png`` and ``gallery.json``."""
        matrix = self.test_confusion.compute().cpu().numpy()  # of all ranks
        right = np.repeat([1.0, 0.0], [matrix.trace(), matrix.sum() - matrix.trace()])
        self.headline_interval = interval(lambda counts: float(counts @ right / counts.sum()), len(right))
        folder = self.output_folder()
        self._show_confusion(self.test_confusion, "test/confusion", folder / "confusion.png")
        self.record.write(folder)

    def predict_images(self, folder: FolderOfImages) -> None:
        """Writes the classes of images, see :func:`predict_images`.

        The preparation is that of the data module, a record of :class:`Preparation`.
        """
        predict_images(
            self, folder.images, folder.out, folder.classes, self.device, Preparation.of(folder.preparation),
            batch_size=folder.batch_size, skip_invalid=folder.skip_invalid,
        )  # fmt: skip

    def channels_of(self, preparation: Mapping[str, Any]) -> int:
        """As in validation."""
        return Preparation.of(preparation).channels

    def predict_pixels(
        self, images: Sequence[np.ndarray], classes: Sequence[Mapping[str, Any]], preparation: Mapping[str, Any]
    ) -> list[ClassProbabilities]:
        """The probability of every class on each image."""
        pipeline = Preparation.of(preparation).pipeline()
        names = tuple(str(entry["name"]) for entry in classes)
        batch = torch.stack([pipeline(pixels) for pixels in images]).to(self.device)
        return [ClassProbabilities(row, names) for row in self(batch).float().softmax(dim=1).cpu().numpy()]

    def network_parts(self) -> dict[str, nn.Module]:
        """The head."""
        return {"head": self.head}

    def deployment(self, record: ModelRecord, size: tuple[int, int] | None) -> Deployment:
        """The network with normalisation and probabilities; see :func:`classifier_deployment`."""
        return classifier_deployment(self, Preparation.of(record.preparation), size)

    def configure_optimizers(self) -> Any:
        """SGD with a schedule per epoch."""
        groups = parameter_groups(
            self.parameters(), self.backbone, self.grouping, lr=self.lr, weight_decay=self.weight_decay
        )
        optimizer = make_optimizer("sgd", groups, momentum=self.momentum, nesterov=self.nesterov)
        schedule: torch.optim.lr_scheduler.LRScheduler
        if self.schedule == "exponential":
            schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, self.lr_decay)
        elif self.schedule == "linear":
            epochs = max(self.trainer.max_epochs or 1, 1)
            schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, self.lr_min / self.lr, epochs)
        else:
            epochs = max(self.trainer.max_epochs or 1, 1)
            schedule = cosine_schedule(optimizer, epochs, lr=self.lr, lr_min=self.lr_min)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def _evaluate(
        self, batch: tuple[Tensor, Tensor], metrics: torchmetrics.MetricCollection, loss_name: str
    ) -> tuple[Tensor, Tensor]:
        images, labels = batch
        logits = self(images)
        self.log(loss_name, self.loss(logits, labels), batch_size=len(images), sync_dist=True)
        metrics.update(logits, labels)
        self.log_dict(metrics, on_epoch=True, on_step=False, batch_size=len(images))
        return logits, labels

    def _show_confusion(self, metric: MulticlassConfusionMatrix, name: str, file: Path | None = None) -> None:
        matrix = metric.compute().cpu().numpy()  # of all ranks
        metric.reset()
        writers: list[Any] = [getattr(logger, "experiment", None) for logger in self.loggers]
        boards = [writer for writer in writers if hasattr(writer, "add_image")]
        if not self.trainer.is_global_zero or self.trainer.sanity_checking or not (boards or file):
            return
        picture = draw_confusion(matrix, getattr(self.datamodule, "class_names", None))
        for writer in boards:
            writer.add_image(name, np.asarray(picture), self.current_epoch, dataformats="HWC")
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)


def _metrics(num_classes: int, prefix: str) -> torchmetrics.MetricCollection:
    metrics: dict[str, Any] = {
        "accuracy": MulticlassAccuracy(num_classes, average="micro"),
        "precision": MulticlassPrecision(num_classes),
        "recall": MeanRecall(num_classes),
        "f1": MulticlassF1Score(num_classes),
    }
    # Said, not found out: torchmetrics would join metrics whose states happen to be equal after the first batch.
    groups = [["accuracy"], ["precision", "recall", "f1"]]
    if num_classes > 5:
        groups.append(["accuracy_top5"])
        metrics["accuracy_top5"] = MulticlassAccuracy(num_classes, average="micro", top_k=5)
    return torchmetrics.MetricCollection(metrics, compute_groups=groups, prefix=prefix)

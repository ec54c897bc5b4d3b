"""Image classification: an ordinary LightningModule around any backbone."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
import torchmetrics
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassPrecision, MulticlassRecall

from lightning_nas.spaces import Backbone
from lightning_nas.tasks.classification.heads import AuxiliaryHead, ClassificationHead


class ClassificationTask(pl.LightningModule):
    """Trains a classifier with SGD and a cosine schedule over the epochs of its Trainer.

    Args:
        backbone: Image -> feature maps; the last one is classified.
        num_classes: Number of classes.
        lr: Initial learning rate.
        lr_min: Final learning rate.
        momentum: Of SGD.
        nesterov: Whether SGD looks ahead.
        weight_decay: Of SGD.
        label_smoothing: Share of the target that is spread over all classes.
        auxiliary_weight: Weight of the auxiliary classifier's loss; 0 for none.

    Raises:
        ValueError: If an auxiliary classifier is asked for and the backbone has no tap for one.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        lr: float = 0.025,
        lr_min: float = 0.0,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 3e-4,
        label_smoothing: float = 0.0,
        auxiliary_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        self.lr, self.lr_min, self.momentum = lr, lr_min, momentum
        self.nesterov, self.weight_decay, self.auxiliary_weight = nesterov, weight_decay, auxiliary_weight
        self.backbone = backbone
        self.head = ClassificationHead(backbone.feature_info.channels()[-1], num_classes)
        self.auxiliary_head: nn.Module | None = None
        if auxiliary_weight:
            info = backbone.auxiliary_info
            if info is None:
                raise ValueError(f"auxiliary_weight = {auxiliary_weight}, but the backbone has no auxiliary tap")
            self.auxiliary_head = AuxiliaryHead(info.channels, num_classes, imagenet=info.reduction >= 16)
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        metrics: dict[str, Any] = {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "precision": MulticlassPrecision(num_classes),
            "recall": MulticlassRecall(num_classes),
            "f1": MulticlassF1Score(num_classes),
        }
        if num_classes > 5:
            metrics["accuracy_top5"] = MulticlassAccuracy(num_classes, average="micro", top_k=5)
        collection = torchmetrics.MetricCollection(metrics)
        self.val_metrics = collection.clone(prefix="val/")
        self.test_metrics = collection.clone(prefix="test/")

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, num_classes)``."""
        logits: Tensor = self.head(self.backbone(x))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross entropy, plus that of the auxiliary classifier."""
        images, labels = batch
        features, tap = self.backbone.forward_auxiliary(images)
        loss = self.loss(self.head(features), labels)
        if self.auxiliary_head is not None:
            loss = loss + self.auxiliary_weight * self.loss(self.auxiliary_head(tap), labels)
        self.log("train/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss and metrics on the validation images."""
        self._evaluate(batch, self.val_metrics, "val/loss")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss and metrics on the test images."""
        self._evaluate(batch, self.test_metrics, "test/loss")

    def configure_optimizers(self) -> Any:
        """SGD with a cosine schedule per epoch."""
        optimizer = torch.optim.SGD(
            self.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov
        )
        epochs = max(self.trainer.max_epochs or 1, 1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, self.lr_min)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def _evaluate(self, batch: tuple[Tensor, Tensor], metrics: torchmetrics.MetricCollection, loss_name: str) -> None:
        images, labels = batch
        logits = self(images)
        self.log(loss_name, self.loss(logits, labels), batch_size=len(images), sync_dist=True)
        metrics.update(logits, labels)
        self.log_dict(metrics, on_epoch=True, on_step=False, batch_size=len(images))

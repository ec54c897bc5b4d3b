"""A classifier around a supernet whose networks share weights, and images that lie in memory."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.spaces import Supernet

SHIFT = 8
"""An image is moved by at most one part in so many of its side: by 4 of 32 pixels, as is common for CIFAR-10."""


class SharedClassifier(pl.LightningModule):
    """A supernet under a linear layer, trained by SGD with a cosine, on images that are shifted and mirrored at random.

    Args:
        supernet: Its last map is averaged and classified.
        classes: Number of classes.
        learning_rate: At the start.
    """

    def __init__(self, supernet: Supernet, classes: int, learning_rate: float) -> None:
        super().__init__()
        self.backbone = supernet
        self.head = nn.Linear(supernet.feature_info.channels()[-1], classes)
        self.learning_rate = learning_rate

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, classes)``, logits."""
        logits: Tensor = self.head(self.backbone(images)[-1].mean((2, 3)))
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Cross-entropy of ``(images, labels)``."""
        images, labels = batch
        return nn.functional.cross_entropy(self(augmented(images)), labels)

    def distilled_module(self) -> nn.Module:
        """The linear layer, whose logits are learnt."""
        return self.head

    def distillation_loss(self, student: Tensor, teacher: Tensor, batch: Any, divergence: Any) -> Tensor:
        """The mean divergence of the classes' probabilities."""
        distance: Tensor = divergence(teacher.log_softmax(-1), student.log_softmax(-1)).mean()
        return distance

    def configure_optimizers(self) -> Any:
        """SGD with momentum 0.9, whose rate falls to 0 over the training."""
        weights = [p for name, p in self.named_parameters() if ".logits." not in name]
        optimizer = torch.optim.SGD(weights, self.learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class TensorImages(pl.LightningDataModule):
    """Images and labels that are given.

    Args:
        images: ``(N, C, H, W)``.
        labels: ``(N,)``.
        batch_size: Images per batch; an incomplete last one is left out.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int) -> None:
        super().__init__()
        self.data, self.batch_size = TensorDataset(images, labels), batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        """All of them, in random order."""
        return DataLoader(self.data, self.batch_size, shuffle=True, drop_last=True)


def augmented(images: Tensor) -> Tensor:
    """A batch ``(B, C, H, W)``, shifted as a whole and half of it mirrored."""
    height, width = images.shape[-2:]
    most = height // SHIFT
    down, right = (int(shift) for shift in torch.randint(0, 2 * most + 1, (2,)))
    padded = nn.functional.pad(images, [most] * 4)[..., down : down + height, right : right + width]
    mirrored = torch.rand(len(images), device=images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], padded.flip(-1), padded)

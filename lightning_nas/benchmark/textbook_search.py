"""What the benchmark of the supernet compares: a classifier around it, and the textbook's way of searching it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 10
CLIP = 5.0


class Classifier(pl.LightningModule):
    """A supernet under a linear layer, with the optimizer of DARTS."""

    def __init__(self, supernet: Any) -> None:
        super().__init__()
        self.backbone = supernet
        self.head = nn.Linear(supernet.feature_info.channels()[-1], CLASSES)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Cross-entropy of ``(images, labels)``."""
        images, labels = batch
        return nn.functional.cross_entropy(self.head(self.backbone(images)[-1].mean((2, 3))), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD as in Liu et al. 2019 (arXiv 1806.09055), section A.1.1."""
        weights = [p for name, p in self.named_parameters() if ".logits." not in name]
        return torch.optim.SGD(weights, 0.025, momentum=0.9, weight_decay=3e-4)


class TextbookSearch(pl.LightningModule):
    """The first-order step as it is usually written: both losses go back to all parameters, every step."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """A step of the logits, then a step of the weights."""
        optimizers: Any = self.optimizers()
        weights, logits = optimizers
        for optimizer, half in ((logits, "architecture"), (weights, "weights")):
            self.zero_grad()
            self.manual_backward(self.model.training_step(batch[half], batch_idx))
            if half == "weights":
                nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
            optimizer.step()

    def configure_optimizers(self) -> Any:
        """SGD for the weights, Adam for the logits."""
        supernet = self.model.backbone
        return [
            self.model.configure_optimizers(),
            torch.optim.Adam(supernet.logits.values(), 3e-4, betas=(0.5, 0.999), weight_decay=1e-3),
        ]


class Images(pl.LightningDataModule):
    """Images and labels that are given."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int) -> None:
        super().__init__()
        self.data, self.batch_size = TensorDataset(images, labels), batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        """All of them, in order."""
        return DataLoader(self.data, self.batch_size)

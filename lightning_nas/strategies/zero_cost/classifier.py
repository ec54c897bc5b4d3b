"""A probe of a backbone as an image classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.classifier import PooledClassifier
from lightning_nas.spaces import Backbone
from lightning_nas.strategies.zero_cost.base import Probe


def probe_classifier(backbone: Backbone, images: Tensor, labels: Tensor, num_classes: int, seed: int = 0) -> Probe:
    """A backbone under global average pooling and a linear layer, with cross entropy.

    The backbone keeps its weights, and is moved to the device of the images.

    Args:
        backbone: Image -> feature maps.
        images: ``(B, C, H, W)``.
        labels: ``(B,)``, the class of every image.
        num_classes: Number of classes.
        seed: Of the linear layer's weights; the global random numbers are left alone.

    Raises:
        ValueError: If the labels do not fit the images or the number of classes.
    """
    if labels.shape != images.shape[:1]:
        raise ArgumentError(f"labels must be one per image, ({len(images)},), got shape {tuple(labels.shape)}")
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ArgumentError(
            f"labels must be from 0 to num_classes - 1 = {num_classes - 1}, "
            f"got {int(labels.min())} to {int(labels.max())}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU
        model = PooledClassifier(backbone, num_classes)
    model.to(images.device)
    labels = labels.to(images.device)

    def loss() -> Tensor:
        return nn.functional.cross_entropy(model(images), labels)

    return Probe(model, images, loss, model, model.features)

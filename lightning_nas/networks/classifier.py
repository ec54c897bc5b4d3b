"""A backbone as an image classifier."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.spaces import Backbone


class PooledClassifier(nn.Module):
    """A backbone, global average pooling of its last map, a linear layer.

    Args:
        backbone: Image -> feature maps.
        num_classes: Number of classes.

    Example:
        >>> import torch
        >>> from lightning_nas.networks import ResidualBackbone
        >>> PooledClassifier(ResidualBackbone(4, (1, 2)), num_classes=10)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.linear = nn.Linear(backbone.feature_info.channels()[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, num_classes)``."""
        logits: Tensor = self.linear(self.features(x).mean((2, 3)))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) ->`` the last map."""
        last: Tensor = self.backbone(x)[-1]
        return last

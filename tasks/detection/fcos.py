"""FCOS's head, with distances that stay positive and keep a gradient, and groups that suit narrow pyramids."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSHead, FCOSRegressionHead

from lightning_nas.networks.normalization import fitting_groups


class FcosHead(FCOSHead):
    """Towers of FCOS for classes, for boxes and for centre-ness (Tian et al. 2019, arXiv 1904.01355, section 3).

    Its modules and parameters have the names and shapes of torchvision's ``FCOSHead``, so weights of either load into the
    other. Two things differ:

    - distances come from :class:`FcosRegressionHead`;
    - the towers are normalised in groups of at least 4 channels. torchvision's 32 groups would normalise every channel of a
      pyramid of 32 channels by itself, and a map of one pixel would always give zeros.

    Args:
        channels: Width of every map of the pyramid.
        num_classes: Classes, the background counted.
        convs: Convolutions in each tower.
        groups: Of their norms; as many as suit the width if None.
    """

    def __init__(self, channels: int, num_classes: int, convs: int, groups: int | None = None) -> None:
        nn.Module.__init__(self)  # torchvision's constructor builds 32 groups, which not every width can be shared by
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        norm = partial(nn.GroupNorm, groups or fitting_groups(channels))
        self.classification_head = FCOSClassificationHead(channels, 1, num_classes, convs, norm_layer=norm)
        self.regression_head = FcosRegressionHead(channels, 1, convs, norm_layer=norm)


class FcosRegressionHead(FCOSRegressionHead):
    """Distances to the four sides of a box in multiples of the stride, ``softplus(z) = log(1 + exp(z))``, and centre-ness.

    Distances have to be positive. The paper takes ``exp(s z)`` with a learnt ``s`` per level (section 3.2); torchvision
    takes ``relu(z)``, which loses its gradient, and with it the box, wherever ``z`` falls below 0: in a short training all
    of them may. ``softplus`` is positive with the slope ``sigmoid(z) > 0`` everywhere, and differs from ``relu`` by
    ``log(1 + exp(-|z|))``, at most 0.69 strides at ``z = 0`` and less than 0.02 from 4 strides on.
    """

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps ``(B, C, H, W)`` of every level -> ``(B, sum HW, 4)``, left, top, right, bottom, and ``(B, sum HW, 1)``."""
        distances, centerness = [], []
        for features in x:
            tower = self.conv(features)
            distances.append(_by_position(nn.functional.softplus(self.bbox_reg(tower))))
            centerness.append(_by_position(self.bbox_ctrness(tower)))
        return torch.cat(distances, dim=1), torch.cat(centerness, dim=1)


def _by_position(x: Tensor) -> Tensor:
    """``(B, C, H, W) -> (B, HW, C)``."""
    return x.flatten(2).transpose(1, 2)

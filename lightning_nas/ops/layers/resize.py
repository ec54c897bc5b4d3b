"""How dense prediction changes the size of a map."""

from __future__ import annotations

import torch.fx
from torch import Tensor, nn


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation whose corner pixels stay corner pixels, ``(B, C, H, W) -> (B, C, *size)``.

    This is the sampling grid of convolutions with stride 2 on maps of odd size, for which the crops of the DeepLab family
    (321, 513, 769) are made.
    """
    return _resize(x, size)


@torch.fx.wrap  # one node of a traced graph, because it looks at sizes
def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=True)

"""Whether pretrained weights lie on this machine already, so that nothing has to be downloaded."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

import torch
from torchvision.models import get_model_weights

from lightning_nas.spaces.elastic.families import TORCHVISION


def weights_at_hand(seed: str) -> str | None:
    """A file of torchvision's cache with weights of a network, the newest of several.

    Args:
        seed: The network.

    Example:
        >>> weights_at_hand("no_such_network") is None
        True
    """
    if seed not in TORCHVISION:
        return None
    folder = Path(torch.hub.get_dir(), "checkpoints")
    names = [Path(urlparse(weights.url).path).name for weights in reversed(list(get_model_weights(seed)))]
    return next((str(folder / name) for name in names if (folder / name).is_file()), None)

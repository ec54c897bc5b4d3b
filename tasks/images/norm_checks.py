"""Whether a kind of normalisation suits the batch and the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from pytorch_lightning.utilities import rank_zero_warn

from lightning_nas.errors import NasError
from lightning_nas.networks.normalization import SMALLEST_BATCH, Normalization


def warn_of_small_batches(kind: Normalization, images: int) -> None:
    """Says that a batch is too small for the statistics of BatchNorm, if it is."""
    if kind == "batch" and images < SMALLEST_BATCH:
        rank_zero_warn(
            f"{images} images per device are few for BatchNorm, whose statistics become noisy below {SMALLEST_BATCH}: "
            "consider task.norm=group, task.norm=sync (several GPUs), or task.norm=frozen with trained weights"
        )


def refuse_sync_without_gpu(kind: Normalization, device: torch.device) -> None:
    """PyTorch shares statistics over ranks on GPUs only.

    Raises:
        NasError: If they are to be shared on a CPU.
    """
    if kind == "sync" and device.type == "cpu":
        raise NasError("norm = 'sync' works on GPUs only; on a CPU use 'group', 'frozen' or 'batch'")


@contextlib.contextmanager
def explaining_single_values(instead: str) -> Iterator[None]:
    """Says what to do where BatchNorm meets one value per channel: one training image, and a map of 1x1.

    Such a value has no variance that evaluation could use later, so PyTorch rightly refuses it; GroupNorm does not mind.

    Args:
        instead: What else could be done, beside larger batches.

    Raises:
        NasError: Instead of PyTorch's, which names no setting.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise NasError(
            "BatchNorm cannot learn from a batch of one image, where a map is 1x1 and a channel has one value: use "
            f"data.batch_size=2 or more, and at least as many training images per device, or {instead}"
        ) from error

"""Cross entropy over pixels, with an ignored label, class weights and online hard example mining."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.distributed import average_over_ranks


def pixel_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    ignore: int,
    class_weights: Tensor | None = None,
    hard_below: float | None = None,
    least_kept: float = 0.0625,
) -> Tensor:
    """Mean cross entropy of the pixels that count, over all ranks; 0 if there are none.

    Every rank divides by the mean number of pixels that count on a rank, so that the gradient, which is averaged over the
    ranks, is that of one process with all images.

    With class weights the mean is weighted, as PyTorch's. With hard example mining only pixels count whose true class has
    a probability below ``hard_below``, but at least the share ``least_kept`` of all, the hardest ones (Shrivastava et al.
    2016, arXiv 1604.03540; the thresholded form is usual in segmentation).

    Args:
        logits: ``(B, classes, H, W)``.
        target: ``(B, H, W)``, class of every pixel or ``ignore``.
        ignore: The label of pixels that do not count.
        class_weights: ``(classes,)``.
        hard_below: Probability of the true class below which a pixel is hard; None: all pixels count.
        least_kept: Share of the pixels that count at least.
    """
    counts = target != ignore
    plain = F.cross_entropy(logits, target, ignore_index=ignore, reduction="none")
    if hard_below is not None:
        counts = counts & _hard(plain.detach(), counts, hard_below, least_kept)
    weights = counts.to(plain.dtype)
    if class_weights is not None:
        weights = weights * class_weights.to(plain)[target.clamp(0, len(class_weights) - 1)]
    (total,) = average_over_ranks([weights.sum()])
    return (plain * weights).sum() / torch.where(total > 0, total, torch.ones_like(total))


def checked_class_weights(weights: Sequence[float] | None, num_classes: int) -> Tensor | None:
    """One weight per class as a tensor; None for equal ones.

    Raises:
        ArgumentError: If there is another number of them, or a negative one.
    """
    if weights is None:
        return None
    if len(weights) != num_classes or min(weights) < 0:
        raise ArgumentError(
            f"class_weights must be {num_classes} numbers of at least 0, one per class, got {weights!r}"
        )
    return torch.tensor(weights, dtype=torch.float32)


def _hard(losses: Tensor, counts: Tensor, hard_below: float, least_kept: float) -> Tensor:
    valid = losses[counts]
    if not len(valid):
        return counts
    kept = min(len(valid), max(1, round(least_kept * len(valid))))
    hardest = valid.topk(kept).values[-1]
    limit = torch.minimum(hardest, losses.new_tensor(hard_below).log().neg())
    return losses >= limit

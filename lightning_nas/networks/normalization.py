"""Other normalisation for small batches: BatchNorm frozen, synchronised over ranks, or replaced by GroupNorm."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.fx
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.elastic import ElasticBatchNorm2d
from lightning_nas.spaces import Supernet

Normalization = Literal["batch", "frozen", "sync", "group"]

SMALLEST_BATCH = 8
"""Images per device below which the statistics of BatchNorm are too noisy (Wu, He 2018, arXiv 1803.08494, figure 1)."""

LEAST_IN_GROUP = 4
"""Channels in a group of GroupNorm, at least."""


class GroupNorm(nn.GroupNorm):
    """PyTorch's, for groups of a single value as well: it differs from its mean by 0, so that the bias is left of it.

    PyTorch refuses a single value (one image, one channel in a group, a map of 1x1), as BatchNorm must in training. But
    GroupNorm keeps no statistics for other images: in training, too, there is nothing wrong with the result. Weights have
    PyTorch's names.

    Example:
        >>> import torch
        >>> GroupNorm(2, 2)(torch.ones(1, 2, 1, 1)).shape
        torch.Size([1, 2, 1, 1])
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, ...)`` -> the same shape."""
        return _group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


@torch.fx.wrap  # one node of a traced graph, because it looks at sizes
def _group_norm(x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    if x.shape[1] // groups * x.shape[2:].numel() > 1:
        return nn.functional.group_norm(x, groups, weight, bias, eps)
    nothing = x - x  # not zeros: the way of the gradient stays, and what is not finite is seen
    if weight is None or bias is None:
        return nothing
    shape = (-1, *(1 for _ in x.shape[2:]))
    return nothing * weight.view(shape) + bias.view(shape)


def accept_single_values(module: nn.Module) -> None:
    """Replaces every ``torch.nn.GroupNorm`` in a module by :class:`GroupNorm`, in place; the parameters stay the same."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.GroupNorm:
                own = GroupNorm(child.num_groups, child.num_channels, eps=child.eps, affine=child.affine)
                own.weight, own.bias = child.weight, child.bias
                setattr(parent, name, own.train(child.training))


def convert_norms(module: nn.Module, kind: Normalization, *, groups: int = 32) -> None:
    """Replaces every ``BatchNorm2d`` in a module, in place.

    A supernet with other norms computes in its textbook form.

    Args:
        module: Any module.
        kind: ``"batch"`` leaves all as they are; ``"frozen"`` uses running statistics, scale and shift as constants;
            ``"sync"`` shares statistics over the ranks; ``"group"`` normalises groups of channels of every image.
        groups: Of GroupNorm, at most; see :func:`fitting_groups`.

    Raises:
        ValueError: If there is no such kind, or the module has BatchNorms that are sliced and another kind is asked for.
    """
    if kind not in get_args(Normalization):
        raise ArgumentError(f"norm must be one of {list(get_args(Normalization))}, got {kind!r}")
    if kind == "batch":
        return
    sliced = next((name for name, part in module.named_modules() if isinstance(part, ElasticBatchNorm2d)), None)
    if sliced is not None:
        raise ArgumentError(
            f"norm = {kind!r}: {sliced} is a BatchNorm whose first channels can be active: expected 'batch'"
        )
    for supernet in (part for part in module.modules() if isinstance(part, Supernet)):
        supernet.set_form("textbook")
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _converted(child, kind, groups))


def fitting_groups(channels: int, most: int = 32) -> int:
    """The groups of a GroupNorm: as many as share the channels evenly, with at least 4 channels in each, else one.

    One value normalised by itself, as after image pooling, would always be 0.

    Args:
        channels: That are normalised.
        most: Groups at most; 32 is the paper's choice (Wu, He 2018, arXiv 1803.08494).
    """
    fitting = [n for n in range(1, most + 1) if channels % n == 0 and channels // n >= LEAST_IN_GROUP]
    return max(fitting, default=1)


def _converted(norm: nn.BatchNorm2d, kind: Normalization, groups: int) -> nn.Module:
    channels = norm.num_features
    if kind == "sync":
        return nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    if kind == "group":
        return GroupNorm(fitting_groups(channels, groups), channels, eps=norm.eps, affine=norm.affine)
    frozen = FrozenBatchNorm2d(channels, eps=norm.eps)
    for name, tensor in norm.state_dict().items():
        if name in frozen.state_dict():
            frozen.get_buffer(name).copy_(tensor)
    return frozen

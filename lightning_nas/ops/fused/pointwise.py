"""Pointwise convolution and BatchNorm as one linear map, from the moments of the input alone.

For ``p = W d`` over ``n`` pixels the mean of ``p`` is ``W mean(d)`` and its variance the diagonal of
``W S W^T / n``, with ``S`` the scatter matrix of ``d``. So BatchNorm folds into the convolution before it is computed:
neither ``p`` nor the normalised ``p`` is stored, and the backward pass needs two small matrices per convolution.
Everything is computed in float32 at least; ``d`` is stored as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def as_rows(x: Tensor) -> Tensor:
    """``(B, C, H, W) -> (B * H * W, C)``, float32 at least; a view if ``x`` is channels-last."""
    rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows


def as_maps(rows: Tensor, like: Tensor) -> Tensor:
    """``(B * H * W, C) -> (B, C, H, W)``, channels-last, with batch, size and type of ``like``."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2).to(like.dtype)


@dataclass
class Folded:
    """K pairs of a pointwise convolution and a BatchNorm without scale and shift, with the statistics of this batch.

    Attributes:
        weight: ``(K, out, in)``.
        mean: Of the input, ``(K, in)``.
        cross: ``W S``, ``(K, out, in)``.
        rstd: Of the output, ``(K, out)``.
        count: Pixels.
    """

    weight: Tensor
    mean: Tensor
    cross: Tensor
    rstd: Tensor
    count: int

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the backward pass needs beside the weight."""
        return self.mean, self.cross, self.rstd


def restore(weights: Sequence[Tensor], like: Tensor, saved: Sequence[Tensor], count: int) -> Folded:
    """The :class:`Folded` of which only :attr:`Folded.tensors` were saved."""
    mean, cross, rstd = saved
    return Folded(_stack(weights, like), mean, cross, rstd, count)


def _stack(weights: Sequence[Tensor], like: Tensor) -> Tensor:
    dtype = torch.float32 if like.dtype in (torch.float16, torch.bfloat16) else like.dtype
    return torch.stack([weight.flatten(1) for weight in weights]).to(dtype)


def fold(inputs: Sequence[Tensor], weights: Sequence[Tensor], eps: float) -> tuple[Folded, Tensor, Tensor]:
    """Folds BatchNorm into K pointwise convolutions.

    Args:
        inputs: ``(B, in, H, W)`` each, of equal shape.
        weights: ``(out, in, 1, 1)`` each.
        eps: Of the BatchNorms.

    Returns:
        The maps, and mean and (biased) variance of their outputs before normalisation, ``(K, out)`` each.
    """
    means, scatters = [], []
    for item in inputs:
        rows = as_rows(item)
        mean = rows.mean(0)
        centred = rows - mean  # before squaring: a mean that is large beside the deviation would cancel digits
        means.append(mean)
        scatters.append(centred.t() @ centred)
    weight, mean, scatter = _stack(weights, inputs[0]), torch.stack(means), torch.stack(scatters)
    count = inputs[0].numel() // inputs[0].shape[1]
    cross = weight @ scatter
    variance = (cross * weight).sum(-1).div_(count).clamp_(min=0)
    rstd = (variance + eps).rsqrt_()
    out_mean = (weight @ mean.unsqueeze(-1)).squeeze(-1)
    return Folded(weight, mean, cross, rstd, count), out_mean, variance


def fold_backward(
    centred: Sequence[Tensor],
    inputs: Sequence[Tensor],
    folded: Folded,
    share: Tensor | None,
    needs_inputs: bool,
    needs_weights: bool,
) -> tuple[list[Tensor], Tensor | None, Tensor]:
    """The backward pass of ``sum_k share_k * BN(W_k d_k)``.

    With ``G = g^T d``, ``q = mean(g * p_hat) = rstd * diag(G W^T) / n`` and ``g`` centred:
    ``dL/dd = g A - (d - mean(d)) M``, ``A = diag(share rstd) W``, ``M = W^T diag(share rstd^2 q) W``;
    ``dL/dW = diag(share rstd) G - diag(share rstd^2 q) W S``; ``dL/dshare = n sum(q)``.

    Args:
        centred: Gradients of the K outputs as rows, minus their means; entries may be one and the same tensor.
        inputs: The K inputs.
        folded: What :func:`fold` gave.
        share: ``(K,)``; ones if None.
        needs_inputs: Whether the inputs' gradients are needed.
        needs_weights: Whether the weights' gradients are needed.

    Returns:
        Gradients of the inputs (as rows), of the weights ``(K, out, in)`` and of ``share``.
    """
    weight, rstd = folded.weight, folded.rstd
    rows = [as_rows(item) for item in inputs]
    moment = torch.stack([g.t() @ d for g, d in zip(centred, rows, strict=True)])
    projection = (moment * weight).sum(-1) * rstd / folded.count
    scale = rstd if share is None else rstd * share.unsqueeze(-1)
    damped = (scale * rstd * projection).unsqueeze(-1)
    by_inputs = []
    if needs_inputs:
        forward = scale.unsqueeze(-1) * weight
        back = weight.transpose(1, 2) @ (damped * weight)
        offset = (folded.mean.unsqueeze(1) @ back).squeeze(1)
        for k, (g, d) in enumerate(zip(centred, rows, strict=True)):
            by_inputs.append(torch.addmm(offset[k], g, forward[k]).addmm_(d, back[k], alpha=-1))
    by_weights = scale.unsqueeze(-1) * moment - damped * folded.cross if needs_weights else None
    return by_inputs, by_weights, folded.count * projection.sum(-1)

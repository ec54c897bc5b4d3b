"""The three differentiable pieces of the fast mixed operation: the sums into a node, and the middle of a ``sep_conv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_nas.ops.fused.depthwise import convolve, gradients, refuse_double_backward
from lightning_nas.ops.fused.pointwise import Folded, as_maps, as_rows, fold, fold_backward, restore


def normalised_sum(
    values: Tensor, positions: Sequence[int], inputs: Sequence[Tensor], weights: Sequence[Tensor], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``sum_k values[positions[k]] * BN(weights[k] * inputs[k])`` with batch statistics.

    Args:
        values: ``(options,)`` flat.
        positions: Of the K terms in ``values``.
        inputs: ``(B, in, H, W)`` each.
        weights: Pointwise kernels, ``(out, in, 1, 1)`` each.
        eps: Of the BatchNorms.

    Returns:
        ``(B, out, H, W)``, and mean and biased variance of every convolution's output, ``(K, out)`` each.
    """
    out: tuple[Tensor, Tensor, Tensor] = _NormalisedSum.apply(values, tuple(positions), eps, *inputs, *weights)
    return out


class _NormalisedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, positions: tuple[int, ...], eps: float, *tensors: Tensor) -> Any:
        count = len(positions)
        inputs, weights = tensors[:count], tensors[count:]
        with torch.autocast(values.device.type, enabled=False):
            folded, mean, variance = fold(inputs, weights, eps)
            share = _pick(values, positions, folded.weight)
            scale = folded.rstd * share.unsqueeze(-1)
            maps = (scale.unsqueeze(-1) * folded.weight).transpose(1, 2)
            total = torch.addmm(-(scale * mean).sum(0), as_rows(inputs[0]), maps[0])
            for k in range(1, count):
                total.addmm_(as_rows(inputs[k]), maps[k])
        ctx.save_for_backward(values, *tensors, *folded.tensors)
        ctx.positions, ctx.count = positions, folded.count
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return as_maps(total, inputs[0]), mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        refuse_double_backward()
        count = len(ctx.positions)
        if grads[0] is None:
            return (None,) * (3 + 2 * count)
        values, *tensors = ctx.saved_tensors
        inputs, weights = tensors[:count], tensors[count : 2 * count]
        with torch.autocast(values.device.type, enabled=False):
            folded = restore(weights, inputs[0], tensors[2 * count :], ctx.count)
            needs = ctx.needs_input_grad[3:]
            rows = as_rows(grads[0])
            centred = rows - rows.mean(0)
            by_inputs, by_weights, by_share = fold_backward(
                [centred] * count,
                inputs,
                folded,
                _pick(values, ctx.positions, folded.weight),
                any(needs[:count]),
                any(needs[count:]),
            )
        return (
            _spread(by_share, ctx.positions, values) if ctx.needs_input_grad[0] else None,
            None,
            None,
            *(as_maps(rows, inputs[0]) for rows in by_inputs or ()),
            *(() if by_inputs else (None,) * count),
            *_like(by_weights, weights),
        )


def separable_middles(
    inputs: Sequence[Tensor], pointwise: Sequence[Tensor], kernels: Sequence[Tensor], eps: float
) -> tuple[list[Tensor], Tensor, Tensor]:
    """The inside of K separable convolutions: ``depthwise(relu(BN(pointwise * input)))`` with batch statistics.

    The map between the two is computed again in the backward pass instead of being stored.

    Args:
        inputs: Outputs of the first depthwise convolutions, ``(B, C, H, W)`` each.
        pointwise: ``(C, C, 1, 1)`` each.
        kernels: Of the second depthwise convolutions, ``(C, 1, k, k)`` each.
        eps: Of the BatchNorms.

    Returns:
        The K outputs, ``(B, C, H, W)`` each; mean and biased variance before normalisation, ``(K, C)`` each.
    """
    *out, mean, variance = _SeparableMiddles.apply(eps, *inputs, *pointwise, *kernels)
    return out, mean, variance


class _SeparableMiddles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, eps: float, *tensors: Tensor) -> Any:
        count = len(tensors) // 3
        inputs, weights, kernels = tensors[:count], tensors[count : 2 * count], tensors[2 * count :]
        with torch.autocast(inputs[0].device.type, enabled=False):
            folded, mean, variance = fold(inputs, weights, eps)
            between = _between(inputs, folded)
            out = [convolve(h, kernel) for h, kernel in zip(between, kernels, strict=True)]
        ctx.save_for_backward(*tensors, *folded.tensors)
        ctx.pixels = folded.count
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return *out, mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        refuse_double_backward()
        count = len(grads) - 2
        saved = ctx.saved_tensors
        inputs, weights, kernels = saved[:count], saved[count : 2 * count], saved[2 * count : 3 * count]
        needs = ctx.needs_input_grad[1:]
        with torch.autocast(inputs[0].device.type, enabled=False):
            folded = restore(weights, inputs[0], saved[3 * count :], ctx.pixels)
            centred, by_kernels = [], []
            for k, h in enumerate(_between(inputs, folded)):
                grad = grads[k]
                grad = torch.zeros_like(h) if grad is None else grad
                by_h, by_kernel = gradients(grad, h, kernels[k], 1, 1, True, needs[2 * count + k])
                assert by_h is not None
                rows = torch.ops.aten.threshold_backward(as_rows(by_h), as_rows(h), 0)
                centred.append(rows.sub_(rows.mean(0)))
                by_kernels.append(by_kernel)
            by_inputs, by_weights, _ = fold_backward(
                centred, inputs, folded, None, any(needs[:count]), any(needs[count : 2 * count])
            )
        maps: list[Tensor | None] = [as_maps(rows, inputs[0]) for rows in by_inputs]
        maps = maps or [None] * count
        return None, *maps, *_like(by_weights, weights), *by_kernels


def _between(inputs: Sequence[Tensor], folded: Folded) -> Any:
    """The maps between pointwise and second depthwise convolution, one after the other."""
    maps = (folded.rstd.unsqueeze(-1) * folded.weight).transpose(1, 2)
    offset = -(folded.mean.unsqueeze(1) @ maps).squeeze(1)
    for k, item in enumerate(inputs):
        yield as_maps(torch.addmm(offset[k], as_rows(item), maps[k]).relu_(), item)


def weighted_sum(values: Tensor, positions: Sequence[int], terms: Sequence[Tensor]) -> Tensor:
    """``sum_k values[positions[k]] * terms[k]``; stores the terms and nothing else.

    Args:
        values: ``(options,)`` flat.
        positions: Of the K terms in ``values``.
        terms: Of equal shape.
    """
    out: Tensor = _WeightedSum.apply(values, tuple(positions), *terms)
    return out


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, positions: tuple[int, ...], *terms: Tensor) -> Tensor:
        ctx.save_for_backward(values, *terms)
        ctx.positions = positions
        wide = values.dtype if terms[0].dtype in (torch.float16, torch.bfloat16) else terms[0].dtype
        total = terms[0].to(wide) * values[positions[0]].to(wide)
        for term, position in zip(terms[1:], positions[1:], strict=True):
            total.addcmul_(term.to(wide), values[position].to(wide))
        return total.to(terms[0].dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        refuse_double_backward()
        values, *terms = ctx.saved_tensors
        grad = grads[0]
        by_values = None
        if ctx.needs_input_grad[0]:
            flat = as_rows(grad).flatten()
            with torch.autocast(values.device.type, enabled=False):
                shares = torch.stack([torch.dot(as_rows(term).flatten(), flat) for term in terms])
            by_values = _spread(shares, ctx.positions, values)
        needs = ctx.needs_input_grad[2:]
        by_terms = [
            (grad * values[position]).to(grad.dtype) if needed else None
            for position, needed in zip(ctx.positions, needs, strict=True)
        ]
        return by_values, None, *by_terms


def _pick(values: Tensor, positions: Sequence[int], like: Tensor) -> Tensor:
    """The values at the positions, ``(K,)``, without an index tensor, which a GPU would wait for."""
    return torch.stack([values[position] for position in positions]).to(like.dtype)


def _spread(gradient: Tensor, positions: Sequence[int], values: Tensor) -> Tensor:
    """The inverse of :func:`_pick`: zeros where nothing was picked."""
    places = [values.new_zeros(())] * len(values)
    for position, item in zip(positions, gradient.to(values.dtype).unbind(), strict=True):
        places[position] = item
    return torch.stack(places)


def _like(gradient: Tensor | None, weights: Sequence[Tensor]) -> list[Tensor | None]:
    if gradient is None:
        return [None] * len(weights)
    return [item.reshape(w.shape).to(w.dtype) for item, w in zip(gradient.unbind(), weights, strict=True)]

"""What the scores share: which weights count, and the gradient of the loss in them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.zero_cost.base import Probe

NORMALIZATIONS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
"""What divides by statistics of its input."""


def scored_layers(model: nn.Module) -> list[nn.Module]:
    """Convolutions (transposed ones too) and linear layers, in the order of the model.

    Raises:
        ValueError: If there are none.
    """
    layers: list[nn.Module] = [module for module in model.modules() if isinstance(module, _ConvNd | nn.Linear)]
    if not layers:
        raise ArgumentError(f"model must have convolutions or linear layers, got {type(model).__name__} without any")
    return layers


def scored_weights(model: nn.Module) -> list[Tensor]:
    """The weights of the scored layers, without biases; a shared one counts once."""
    weights = [layer.weight for layer in scored_layers(model)]
    return list({id(weight): weight for weight in weights if isinstance(weight, Tensor)}.values())


def loss_of(probe: Probe) -> Tensor:
    """The loss of the probe.

    Raises:
        ValueError: If it is not a scalar that depends on the model.
    """
    loss = probe.loss()
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ArgumentError(f"loss must return a scalar tensor, got {found}")
    if not loss.requires_grad:
        raise ArgumentError("loss must return a tensor that depends on the model's weights, got one without a gradient")
    return loss


def gradients(value: Tensor, tensors: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """The gradient of a scalar in some tensors, zeros where it does not depend on one.

    Args:
        value: The scalar.
        tensors: Those with respect to which.
        create_graph: Whether the gradients can be differentiated in turn.
    """
    return list(torch.autograd.grad(value.sum(), tensors, create_graph=create_graph, materialize_grads=True))


def total(tensors: Sequence[Tensor]) -> float:
    """The sum of all elements of all tensors, added up in double precision."""
    return sum(tensor.sum(dtype=torch.float64).item() for tensor in tensors)

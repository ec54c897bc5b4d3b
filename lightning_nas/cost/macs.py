"""Multiply-adds of a network: convolutions and products of matrices, as papers of this field count "FLOPs"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, Self

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_nas.cost.probe import Call, evaluating, probe_input
from lightning_nas.errors import ArgumentError

Shape = Sequence[int]
_ATEN = torch.ops.aten


def count_macs(module: nn.Module, input_size: Sequence[int]) -> int:
    """Multiply-adds of one image's forward pass, see :func:`macs_of_call`.

    Args:
        module: Maps ``(1, C, H, W)`` to anything.
        input_size: ``(C, H, W)``.

    Raises:
        ValueError: If ``input_size`` has another form, or the module holds a TorchScript one.

    Example:
        >>> count_macs(nn.Conv2d(3, 8, 3, padding=1), (3, 10, 10)) == 10 * 10 * 8 * 3 * 3 * 3
        True
    """
    return macs_of_call(module, Call((probe_input(module, input_size),)))


def macs_of_call(module: nn.Module, call: Call) -> int:
    """Multiply-adds of a forward pass: half the FLOPs of PyTorch's ``FlopCounterMode``, which watches the operators that run.

    - convolutions ``out * C_in / groups * kh * kw``, transposed ones ``in * C_out / groups * kh * kw``
    - linear layers and other products of matrices, ``(n, k)`` by ``(k, m)``: ``n * k * m``, whichever function computes them
    - attention: its linear layers and, per head, the products of queries with keys and of weights with values, also of
      pairs that a mask hides
    - recurrent layers: ``steps * (input + hidden) * gates``

    All else counts nothing: normalisation, activations, poolings, resampling, additions, products of single elements, biases;
    of torchvision's operators RoIAlign, deformable convolution and the suppression of boxes; ``nn.Bilinear``.

    The module is run once in evaluation mode, compiled parts as they were written; modes, hooks and random numbers are as
    before afterwards.

    Args:
        module: Any module.
        call: What its forward pass is given.

    Raises:
        ValueError: If the module holds a TorchScript one, whose fused operators are not known to the counter.
    """
    scripted = next((name for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)), None)
    if scripted is not None:
        raise ArgumentError(f"module must hold no TorchScript, got one in {scripted or 'its root'!r}")
    counter = FlopCounterMode(display=False, custom_mapping=MORE)
    counter.mod_tracker = _AllTogether()  # type: ignore[assignment]
    with evaluating(module), operators_in_the_open(), counter:
        call.of(module)
    return counter.get_total_flops() // 2


class _AllTogether:
    """Instead of hooks on all modules that note down where an operator runs: they take longer than small operators."""

    parents = frozenset({"Global"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to be undone."""


@contextmanager
def operators_in_the_open() -> Iterator[None]:
    """Inside, no compiled graph and no fused transformer layer hides the operators of which it consists."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _attention(query: Shape, key: Shape, value: Shape, *_args: Any, **_: Any) -> int:
    """Of ``(B, heads, queries, width)``, keys and values perhaps of fewer heads, each for several of the queries'."""
    return 2 * prod(query[:-1]) * key[-2] * (key[-1] + value[-1])


def _matrix_by_vector(matrix: Shape, vector: Shape, **_: Any) -> int:
    return 2 * prod(matrix)


def _plus_matrix_by_vector(_bias: Shape, matrix: Shape, vector: Shape, **_: Any) -> int:
    return 2 * prod(matrix)


def _vector_by_vector(first: Shape, second: Shape, **_: Any) -> int:
    return 2 * prod(first)


def _sum_of_products(_bias: Shape, first: Shape, second: Shape, **_: Any) -> int:
    return 2 * prod(first) * second[-1]


def _recurrent_layer(steps: Shape, input_weight: Shape, hidden_weight: Shape, *_args: Any, **_: Any) -> int:
    return 2 * prod(steps[:-1]) * (prod(input_weight) + prod(hidden_weight))


def _recurrent_layers(steps: Shape, weights: Sequence[Shape], *_args: Any, **_: Any) -> int:
    return 2 * prod(steps[:-1]) * sum(prod(weight) for weight in weights if len(weight) == 2)  # the others are biases


MORE = {
    _ATEN._scaled_dot_product_flash_attention: _attention,
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
    _ATEN._scaled_dot_product_efficient_attention: _attention,
    _ATEN._scaled_dot_product_cudnn_attention: _attention,
    _ATEN._scaled_dot_product_fused_attention_overrideable: _attention,
    _ATEN._scaled_dot_product_attention_math_for_mps: _attention,
    _ATEN.mv: _matrix_by_vector,
    _ATEN.addmv: _plus_matrix_by_vector,
    _ATEN.dot: _vector_by_vector,
    _ATEN.vdot: _vector_by_vector,
    _ATEN.addbmm: _sum_of_products,
    _ATEN.mkldnn_rnn_layer: _recurrent_layer,
    _ATEN._cudnn_rnn: _recurrent_layers,
}
"""FLOPs of operators from the shapes of their arguments, where PyTorch's counter, or an older one, knows none."""

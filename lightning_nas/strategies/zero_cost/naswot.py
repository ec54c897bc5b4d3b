"""How many linear regions the images fall into."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore

_RELU = (torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, nn.functional.relu, nn.functional.relu6)


class Naswot(ZeroCostScore):
    """``log det K``, ``K_ij = sum over ReLUs of [image i and image j agree in being active]``.

    With a code ``c`` of zeros and ones per image, ``K = c c^T + (1 - c)(1 - c)^T``, i.e. the number of ReLU units less the
    Hamming distance. ReLUs from which no path leads to the outputs do not count. ``-inf`` if ``K`` is singular, e.g. when two
    images have the same code. The published experiments use 128 images.

    Source: Mellor, Turner, Storkey, Crowley 2021, "Neural Architecture Search without Training", arXiv 2006.04647, equations
    1 and 2.
    """

    name: ClassVar[str] = "naswot"

    def compute(self, probe: Probe) -> float:
        """One forward pass."""
        images = probe.images.detach().clone().requires_grad_()
        with _Codes(len(images)) as codes:
            outputs = probe.outputs(images)
        reached = _graph(outputs)
        kernels = [kernel for kernel, node in codes.seen if node in reached]
        if not kernels:
            raise ArgumentError("naswot compares ReLUs: model must have one that its outputs depend on, got none")
        return log_determinant(torch.stack(kernels).sum(0))


class _Codes(TorchFunctionMode):
    """Watches the calls of ReLU, of modules and of functions; keeps the kernel of each and its place in the graph."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self.images = images
        self.seen: list[tuple[Tensor, Any]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _RELU and len(result) == self.images:
            self.seen.append((agreement(result.detach().flatten(1) > 0), result.grad_fn))
        return result


def agreement(codes: Tensor) -> Tensor:
    """In how many places every two rows agree, ``(B, B)`` in double precision.

    Args:
        codes: ``(B, N)``, true or false.
    """
    places = codes.shape[1]
    exact = (
        torch.float32 if places < 2**24 else torch.float64
    )  # sums of ones: single precision is exact so far, and quicker
    signs = codes.to(exact) * 2 - 1
    return (((signs @ signs.T).double() + places) / 2).cpu()  # agreeing minus differing places = 2 agreeing - N


def log_determinant(kernel: Tensor) -> float:
    """``log det`` of a positive semidefinite matrix; ``-inf`` if it is singular up to rounding.

    Args:
        kernel: ``(B, B)``, double.
    """
    values = torch.linalg.eigvalsh(kernel)
    if values[0] <= values[-1] * len(values) * torch.finfo(kernel.dtype).eps:
        return -math.inf
    return float(values.log().sum())


def _graph(outputs: Tensor) -> set[Any]:
    """The nodes of the graph that lead to the outputs."""
    found: set[Any] = set()
    waiting = [outputs.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [following for following, _ in node.next_functions]
    return found

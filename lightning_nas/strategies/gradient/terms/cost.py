"""The expected cost of the whole network: multiply-adds, parameters or measured latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_nas.cost import Call
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.terms.base import Term
from lightning_nas.strategies.gradient.terms.prices import KINDS, prices_of

ROUNDING = 1e-9
"""Of sums of probabilities in double precision, as a share of the cost."""


class Cost(Term):
    """What the network that the logits describe costs on average, compared with a target.

    The expected cost is that of everything that no choice changes (stem, preprocessing, head of the task) and of every
    candidate times the mean weight of its option and the probability that its edge is in the network at all: of one-hot
    weights, the multiply-adds and parameters of that network. Of NAS-FPN, what the merging cells are computed with counts as
    often as they want it on average. Edges that decoding drops count like the others, as in SNAS
    (Xie et al. 2019, arXiv 1812.09926). Latency is added up from measured operations, which is what makes it
    differentiable, and is therefore not exactly that of the network. Layers that are no option but depend on the choices
    (what brings maps to the channels of a cell in Auto-DeepLab and NASNet) count as those of one architecture.

    Without a target the term is ``log E``, as in GAS (Lin et al. 2020, arXiv 1909.06793); with one ``|E / target - 1|``, the
    absolute reward of TuNAS (Bender et al. 2020, arXiv 2008.06120).

    Args:
        kind: ``"macs"``, ``"params"`` or ``"latency"``, of one image.
        weight: Of the term.
        target: Multiply-adds, parameters or milliseconds; None: the cheaper, the better.

    Attributes:
        rest: What everything costs that no choice changes.
        prices: Per entry of ``Supernet.priced`` what its options or pieces cost, ``(options,)``.

    Example:
        >>> Cost(kind="macs", weight=0.1, target=2e8).active
        True
    """

    def __init__(
        self, *, kind: Literal["macs", "params", "latency"], weight: float = 0.0, target: float | None = None
    ) -> None:
        if kind not in KINDS:
            raise ArgumentError(f"terms: kind must be one of {KINDS}, got {kind!r}")
        check_between(f"terms.{kind}", weight, 0)
        if target is not None:
            check_between(f"terms.{kind}.target", target, 0, open_low=True)
        self.kind, self.weight, self.target, self.now = kind, weight, target, weight
        self.rest, self.prices = 0.0, list[Tensor]()
        self._supernet: list[Supernet] = []  # no module of a part

    def check(self, supernet: Supernet) -> None:
        """The space must say what its networks are put together of."""
        if not supernet.priced():
            raise ArgumentError(
                f"terms.{self.kind} = {self.weight}: the space {supernet.space.name!r} does not say what its networks are put "
                "together of (Supernet.priced)"
            )

    def prepare(
        self, supernet: Supernet, model: nn.Module, call: Callable[[], Call], choices: Mapping[str, Any]
    ) -> None:
        """Counts or measures all candidates and pieces.

        Raises:
            ArgumentError: If all networks of the space cost the same.
        """
        self._supernet = [supernet]
        self.rest, self.prices = prices_of(self.kind, supernet, model, call(), choices)
        if not self._decides(supernet):
            raise ArgumentError(
                f"terms.{self.kind} = {self.weight}: all networks of the space {supernet.space.name!r} cost the same, so that "
                "the term cannot tell one from another"
            )

    def _decides(self, supernet: Supernet) -> bool:
        """Whether the expected cost changes with the logits."""
        generator = torch.Generator().manual_seed(0)
        shapes = {name: group.shape for name, group in supernet.logits.items()}
        logits = {
            name: torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
            for name, shape in shapes.items()
        }
        with torch.enable_grad():
            expected = self.expected({name: group.softmax(dim=-1) for name, group in logits.items()})
        slopes = torch.autograd.grad(expected, list(logits.values()), allow_unused=True)
        return any(
            slope is not None and float(slope.abs().max()) > ROUNDING * float(expected.detach()) for slope in slopes
        )

    def expected(self, mean: Mapping[str, Tensor]) -> Tensor:
        """The expected cost of the whole network.

        Args:
            mean: Group -> mean weights of the options, ``(edges, options)``.
        """
        total = next(iter(mean.values())).new_tensor(self.rest)
        for one, price in zip(self._supernet[0].priced(), self.prices, strict=True):
            total = total + (one.counts(mean) * price.to(total)).sum()
        return total

    def value(self, logits: Mapping[str, Tensor], mean: Mapping[str, Tensor]) -> Tensor:
        """``log E``, or the distance to the target as a share of it."""
        expected = self.expected(mean)
        return expected.log() if self.target is None else (expected / self.target - 1).abs()

    def state_dict(self) -> dict[str, Any]:
        """The prices, so that a resumed search pays the same."""
        return {"rest": self.rest, "prices": self.prices}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes them back."""
        self.rest, self.prices = state["rest"], list(state["prices"])


class Macs(Cost):
    """The expected multiply-adds of the whole network for one image.

    Args:
        weight: Of the term.
        target: Multiply-adds; None: the fewer, the better.

    Example:
        >>> Macs(weight=0.1, target=2e8)
        Macs(weight=0.1, target=200000000.0)
    """

    def __init__(self, *, weight: float = 0.0, target: float | None = None) -> None:
        super().__init__(kind="macs", weight=weight, target=target)


class Params(Cost):
    """The expected parameters of the whole network.

    Args:
        weight: Of the term.
        target: Parameters; None: the fewer, the better.

    Example:
        >>> Params(weight=0.1).kind
        'params'
    """

    def __init__(self, *, weight: float = 0.0, target: float | None = None) -> None:
        super().__init__(kind="params", weight=weight, target=target)


class Latency(Cost):
    """The expected latency of the whole network for one image, measured on the device of the search.

    Args:
        weight: Of the term.
        target: Milliseconds; None: the faster, the better.

    Example:
        >>> Latency(weight=0.1).kind
        'latency'
    """

    def __init__(self, *, weight: float = 0.0, target: float | None = None) -> None:
        super().__init__(kind="latency", weight=weight, target=target)

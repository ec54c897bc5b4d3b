"""What every candidate of a supernet costs in its place, and what everything else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.cost import Call, cost_of_call, latency_of_call
from lightning_nas.cost.probe import evaluating, random_numbers_kept
from lightning_nas.ops import Zero
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces import Supernet

KINDS = ("macs", "params", "latency")

SECONDS = 1.0
"""For the latency of one operation in one place."""


def prices_of(
    kind: str, supernet: Supernet, model: nn.Module, call: Call, choices: Mapping[str, Any]
) -> tuple[float, list[Tensor]]:
    """The cost of what no choice changes, and of the options of every mixed operation.

    The supernet may have been adapted: what found networks cost is taken from a new one. What lies outside of it (a neck, the
    head of a task) costs what the whole module does beyond it.

    Args:
        kind: ``"macs"``, ``"params"`` or ``"latency"``.
        supernet: A part of ``model``.
        model: Is called for one image.
        call: With what.
        choices: An architecture, any.

    Returns:
        The rest, and per entry of ``supernet.mixed()`` the prices of its options, ``(options,)``.
    """
    device = next(supernet.parameters()).device
    measure = _measure(kind, device)
    with random_numbers_kept():
        fresh = supernet.space.supernet(inputs=supernet.inputs).to(device)
    before, given = supernet._path, list[Call]()
    handle = supernet.register_forward_pre_hook(_noting(given), with_kwargs=True)
    try:
        supernet.activate(choices)
        with evaluating(model):
            call.of(model)
        handle.remove()
        outside = max(measure(model, call) - measure(supernet, given[0]), 0.0)
    finally:
        handle.remove()
        supernet.activate(None)
        supernet._path = before
    mixed = fresh.mixed()
    sizes = _sizes(fresh, given[0], [one.module for one in mixed])
    known: dict[Any, float] = {}
    prices = []
    for one in mixed:
        edge = one.module
        assert isinstance(edge, Candidates)
        prices.append(
            torch.tensor([_price(edge, o, sizes[edge], measure, known, device) for o in range(len(edge.names))])
        )
    path = fresh.path(choices)
    taken = {
        name: torch.zeros_like(group, device="cpu").index_put(_indices(path[name]), torch.ones(()))
        for name, group in fresh.logits.items()
    }
    with random_numbers_kept():
        found = supernet.space.network(dict(choices), inputs=supernet.inputs).to(device)
    inside = 0.0
    for one, price in zip(mixed, prices, strict=True):
        share = float((taken[one.group][one.row] * price).sum())
        inside += share if one.reach is None else share * float(one.reach(taken))
    return outside + max(measure(found, given[0]) - inside, 0.0), prices


def _measure(kind: str, device: torch.device) -> Callable[[nn.Module, Call], float]:
    def measure(module: nn.Module, call: Call) -> float:
        if kind == "latency":
            return latency_of_call(module, call, device, seconds=SECONDS).median_ms
        cost = cost_of_call(module, call)
        return float(cost.macs if kind == "macs" else cost.parameters)

    return measure


def _price(
    edge: Candidates,
    option: int,
    size: tuple[int, int],
    measure: Callable[[nn.Module, Call], float],
    known: dict[Any, float],
    device: torch.device,
) -> float:
    """Of one candidate for one image; equal ones are measured once."""
    with random_numbers_kept():
        module = edge.found(option).to(device)
    if isinstance(module, Zero):
        return 0.0
    key = (str(module), edge.in_channels, size)
    if key not in known:
        known[key] = measure(module, Call((torch.zeros(1, edge.in_channels, *size, device=device),)))
    return known[key]


def _sizes(fresh: Supernet, call: Call, edges: Sequence[nn.Module]) -> dict[nn.Module, tuple[int, int]]:
    """Height and width of what every edge reads."""
    sizes: dict[nn.Module, tuple[int, int]] = {}

    def note(module: nn.Module, args: Any) -> None:
        sizes[module] = tuple(args[0].shape[-2:])

    handles = [edge.register_forward_pre_hook(note) for edge in edges]
    form = fresh.form
    try:
        with evaluating(fresh):
            fresh.set_form("textbook")
            one = replace(call, args=tuple(_first(value) for value in call.args))
            one.of(fresh)
    finally:
        fresh.set_form(form)
        for handle in handles:
            handle.remove()
    return sizes


def _noting(given: list[Call]) -> Callable[..., None]:
    def note(module: nn.Module, args: Any, kwargs: Any) -> None:
        given.append(Call(args, kwargs))

    return note


def _first(value: Any) -> Any:
    return value[:1] if isinstance(value, Tensor) and value.dim() == 4 else value


def _indices(path: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    pairs = [(row, option) for row, options in enumerate(path) for option in options]
    rows, options = zip(*pairs, strict=True) if pairs else ((), ())
    return torch.tensor(rows, dtype=torch.long), torch.tensor(options, dtype=torch.long)

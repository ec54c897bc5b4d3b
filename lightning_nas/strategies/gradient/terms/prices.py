"""What every candidate and piece of a supernet costs in its place, and what everything else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.cost import Call, cost_of_call, latency_of_call
from lightning_nas.cost.probe import evaluating, random_numbers_kept
from lightning_nas.ops import Zero
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces import Supernet
from lightning_nas.spaces.option_weights import Mixed
from lightning_nas.spaces.pieces import Pieces
from lightning_nas.strategies.gradient.terms.reaching import call_reaching, one_architecture

Size = tuple[int, ...]

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
        The rest, and per entry of ``supernet.priced()`` the prices of its options or pieces, ``(options,)``.
    """
    device = next(supernet.parameters()).device
    measure = _measure(kind, device)
    with random_numbers_kept():
        fresh = supernet.space.supernet(inputs=supernet.inputs).to(device)
    with one_architecture(supernet, choices):
        given = call_reaching(supernet, model, call)
        outside = max(measure(model, call) - measure(supernet, given), 0.0)
    priced = fresh.priced()
    sizes = _sizes(fresh, given, priced)
    known: dict[Any, float] = {}
    prices = [torch.tensor(_prices(one, sizes, measure, known, device)) for one in priced]
    path = fresh.path(choices)
    taken = {
        name: torch.zeros_like(group, device="cpu").index_put(_indices(path[name]), torch.ones(()))
        for name, group in fresh.logits.items()
    }
    with random_numbers_kept():
        found = supernet.space.network(dict(choices), inputs=supernet.inputs).to(device)
    inside = 0.0
    for one, price in zip(priced, prices, strict=True):
        inside += float((one.counts(taken) * price).sum())
    return outside + max(measure(found, given) - inside, 0.0), prices


def _measure(kind: str, device: torch.device) -> Callable[[nn.Module, Call], float]:
    def measure(module: nn.Module, call: Call) -> float:
        if kind == "latency":
            return latency_of_call(module, call, device, seconds=SECONDS).median_ms
        cost = cost_of_call(module, call)
        return float(cost.macs if kind == "macs" else cost.parameters)

    return measure


def _prices(
    one: Mixed | Pieces,
    sizes: Mapping[nn.Module, Sequence[Size]],
    measure: Callable[[nn.Module, Call], float],
    known: dict[Any, float],
    device: torch.device,
) -> list[float]:
    """Of every candidate of a mixed operation, or of every piece."""
    made: list[tuple[Callable[[], nn.Module], Sequence[Size]]] = []
    if isinstance(one, Mixed):
        edge = one.module
        assert isinstance(edge, Candidates)
        read = (1, edge.in_channels, *sizes[edge][0][-2:])
        made = [(partial(edge.found, option), [read]) for option in range(len(edge.names))]
    else:
        made = [(piece.build, [sizes[piece.place][index] for index in piece.reads]) for piece in one.pieces]
    return [_price(build, read, measure, known, device) for build, read in made]


def _price(
    build: Callable[[], nn.Module],
    read: Sequence[Size],
    measure: Callable[[nn.Module, Call], float],
    known: dict[Any, float],
    device: torch.device,
) -> float:
    """Of one computation for one image; equal ones are measured once."""
    with random_numbers_kept():
        module = build().to(device)
    if isinstance(module, Zero):
        return 0.0
    key = (str(module), *read)
    if key not in known:
        known[key] = measure(module, Call(tuple(torch.zeros(size, device=device) for size in read)))
    return known[key]


def _sizes(fresh: Supernet, call: Call, priced: Sequence[Mixed | Pieces]) -> dict[nn.Module, list[Size]]:
    """The size of what every mixed operation reads, and of the maps that every place of pieces gives."""
    sizes: dict[nn.Module, list[Size]] = {}

    def read(module: nn.Module, args: Any) -> None:
        sizes[module] = [tuple(args[0].shape)]

    def given(module: nn.Module, _args: Any, maps: Any) -> None:
        sizes[module] = [tuple(x.shape) for x in maps]

    handles = [one.module.register_forward_pre_hook(read) for one in priced if isinstance(one, Mixed)]
    places = {piece.place for one in priced if isinstance(one, Pieces) for piece in one.pieces}
    handles += [place.register_forward_hook(given) for place in places]
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


def _first(value: Any) -> Any:
    return value[:1] if isinstance(value, Tensor) and value.dim() == 4 else value


def _indices(path: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    pairs = [(row, option) for row, options in enumerate(path) for option in options]
    rows, options = zip(*pairs, strict=True) if pairs else ((), ())
    return torch.tensor(rows, dtype=torch.long), torch.tensor(options, dtype=torch.long)

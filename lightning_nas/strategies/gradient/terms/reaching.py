"""What reaches a supernet within the module that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from lightning_nas.cost import Call
from lightning_nas.cost.probe import evaluating
from lightning_nas.spaces import Supernet


@contextmanager
def one_architecture(supernet: Supernet, choices: Mapping[str, Any]) -> Iterator[None]:
    """Inside, the supernet computes one architecture; afterwards what it did before."""
    before = supernet._path
    try:
        supernet.activate(choices)
        yield
    finally:
        supernet._path = before


def call_reaching(supernet: Supernet, model: nn.Module, call: Call) -> Call:
    """What the supernet is called with when the module that holds it is.

    Args:
        supernet: A part of ``model``.
        model: Is called for one image.
        call: With what.
    """
    given: list[Call] = []

    def note(module: nn.Module, args: Any, kwargs: Any) -> None:
        given.append(Call(args, kwargs))

    handle = supernet.register_forward_pre_hook(note, with_kwargs=True)
    try:
        with evaluating(model):
            call.of(model)
    finally:
        handle.remove()
    return given[0]

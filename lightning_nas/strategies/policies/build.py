"""Policies by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Literal, get_args

import torch

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import EnasMacro, EnasMicro, SearchSpace
from lightning_nas.strategies.policies.base import Policy
from lightning_nas.strategies.policies.enas import EnasMacroPolicy, EnasMicroPolicy
from lightning_nas.strategies.policies.independent import IndependentPolicy
from lightning_nas.strategies.policies.lstm import LstmPolicy

PolicyName = Literal["lstm", "independent", "enas"]


def check_policy(name: object) -> None:
    """Refuses a name that no policy has.

    Raises:
        ValueError: If there is no such policy.
    """
    if name not in get_args(PolicyName):
        raise ArgumentError(f"policy must be one of {list(get_args(PolicyName))}, got {name!r}")


def build_policy(
    name: PolicyName,
    space: SearchSpace,
    generator: torch.Generator,
    *,
    temperature: float | None,
    tanh_constant: float | None,
) -> Policy:
    """The policy of a name.

    Args:
        name: ``"lstm"`` or ``"independent"``, for every space; ``"enas"``, for the two spaces of ENAS.
        space: The search space.
        generator: Draws the initial weights.
        temperature: See :class:`Policy`.
        tanh_constant: See :class:`Policy`.

    Raises:
        ValueError: If there is no such policy, it does not know the space, or an argument is out of range.
    """
    check_policy(name)
    if name == "independent":
        return IndependentPolicy(space, temperature=temperature, tanh_constant=tanh_constant)
    if name == "lstm":
        return LstmPolicy(space, generator, temperature=temperature, tanh_constant=tanh_constant)
    return _controller(space)(space, generator, temperature=temperature, tanh_constant=tanh_constant)


@singledispatch
def _controller(space: SearchSpace) -> Callable[..., Policy]:
    """The paper's controller for a space."""
    raise ArgumentError(f"policy 'enas' is for the spaces enas_macro and enas_micro, got space {space.name!r}")


@_controller.register
def _(space: EnasMacro) -> Callable[..., Policy]:
    return EnasMacroPolicy


@_controller.register
def _(space: EnasMicro) -> Callable[..., Policy]:
    return EnasMicroPolicy

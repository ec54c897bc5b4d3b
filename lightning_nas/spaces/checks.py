"""Checks of the arguments of a search space, for ``__post_init__``: what is wrong is refused with the argument's name.

Every function takes the space and the names of its arguments. They are dataclasses that cannot be changed afterwards, and
their lists become tuples, so that a space can be hashed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import check_ops


def lists_to_tuples(space: Any, *arguments: str) -> None:
    """Makes tuples of lists.

    Raises:
        ArgumentError: If one is neither list nor tuple.
    """
    for argument in arguments:
        value = getattr(space, argument)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ArgumentError(f"{argument} must be a list, got {value!r}")
        object.__setattr__(space, argument, tuple(value))


def check_operations(
    space: Any, *, without: Collection[str] = (), because: str = "", allow_none_alone: bool = False
) -> None:
    """Checks the candidate operations, ``ops``, and makes a tuple of them.

    Args:
        space: The space.
        without: Names that must not be among them.
        because: Why.
        allow_none_alone: Whether ``none`` may be the only one.

    Raises:
        ArgumentError: If they are no list of different, registered names, hold one of ``without``, or only
            ``none``.
    """
    lists_to_tuples(space, "ops")
    check_ops(space.ops)
    for name in without:
        if name in space.ops:
            raise ArgumentError(f"ops must not hold {name!r}, {because}, got {space.ops!r}")
    if set(space.ops) == {"none"} and not allow_none_alone:
        raise ArgumentError(f"ops must hold more than 'none', got {space.ops!r}")


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number in a range; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def check_whole(space: Any, **ranges: tuple[int, int]) -> None:
    """Checks whole numbers, or tuples of them where the argument's default is a tuple.

    Args:
        space: The space.
        **ranges: Argument -> smallest and largest value.

    Raises:
        ArgumentError: If one is not a whole number, or out of its range.
    """
    for argument, (low, high) in ranges.items():
        value = getattr(space, argument)
        if isinstance(getattr(type(space), argument), tuple):
            if not all(is_whole(number, low, high) for number in value):
                raise ArgumentError(f"{argument} must hold whole numbers from {low} to {high}, got {value!r}")
        elif not is_whole(value, low, high):
            raise ArgumentError(f"{argument} must be a whole number from {low} to {high}, got {value!r}")


def check_even(space: Any, argument: str, because: str) -> None:
    """Checks that a number, or all of a tuple, can be halved.

    Args:
        space: The space.
        argument: Its name.
        because: Why.

    Raises:
        ArgumentError: If one is odd.
    """
    value = getattr(space, argument)
    if any(number % 2 for number in (value if isinstance(value, tuple) else (value,))):
        raise ArgumentError(f"{argument} must be even ({because}), got {value!r}")


def check_equally_long(space: Any, *arguments: str) -> None:
    """Checks that tuples have one entry per stage each.

    Raises:
        ArgumentError: If they differ in length, or are empty.
    """
    values = [getattr(space, argument) for argument in arguments]
    if not values[0] or len({len(value) for value in values}) != 1:
        names = f"{', '.join(arguments[:-1])} and {arguments[-1]}"
        raise ArgumentError(f"{names} must be equally long and not empty, got {', '.join(map(repr, values))}")


def check_one_of(space: Any, **allowed: Sequence[object]) -> None:
    """Checks that arguments have one of some values.

    Args:
        space: The space.
        **allowed: Argument -> values.

    Raises:
        ArgumentError: If one has another value.
    """
    for argument, values in allowed.items():
        value = getattr(space, argument)
        if isinstance(value, bool) or value not in values:
            raise ArgumentError(f"{argument} must be one of {list(values)}, got {value!r}")


def check_switches(space: Any, *arguments: str) -> None:
    """Checks that arguments are true or false.

    Raises:
        ArgumentError: If one is something else.
    """
    for argument in arguments:
        if not isinstance(getattr(space, argument), bool):
            raise ArgumentError(f"{argument} must be true or false, got {getattr(space, argument)!r}")

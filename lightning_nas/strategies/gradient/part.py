"""What the parts of a gradient strategy have in common: a life over the epochs, a state, a name in configs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self

from lightning_nas.errors import ArgumentError


class Part:
    """A part of a gradient strategy. Its arguments are attributes of the same names.

    Example:
        >>> class Half(Part):
        ...     def __init__(self, *, size: float = 0.5) -> None:
        ...         self.size = size
        >>> Half(size=0.25)
        Half(size=0.25)
    """

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Called at the start of every epoch, and when a search is resumed within one.

        Args:
            epoch: Its number, from 0 on.
            epochs: Of the whole search.
        """

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold beside what follows from the epoch."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes :meth:`state_dict` back."""

    def settings(self) -> dict[str, Any]:
        """The arguments that it was made with."""
        return {name: getattr(self, name) for name in _arguments(type(self))}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"

    @classmethod
    def chosen(cls, argument: str, value: Any, known: Mapping[str, type[Any]]) -> Self:
        """A part that is given as such, or by a short name.

        Args:
            argument: Name of the argument, for messages.
            value: The part or its name.
            known: Name -> class.

        Raises:
            ArgumentError: If it is neither.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value in known:
            found: Self = known[value]()
            return found
        raise ArgumentError(f"{argument} must be one of {sorted(known)} or a {cls.__name__}, got {value!r}")


def progress(epoch: int, epochs: int) -> float:
    """How far a search is at the start of an epoch: 0 in the first one, 1 in the last.

    Example:
        >>> [progress(epoch, 5) for epoch in range(5)], progress(0, 1)
        ([0.0, 0.25, 0.5, 0.75, 1.0], 0.0)
    """
    return min(epoch / max(epochs - 1, 1), 1.0)


def check_between(name: str, value: float, low: float, high: float = float("inf"), *, open_low: bool = False) -> None:
    """Refuses a number that is out of range.

    Args:
        name: Of the argument.
        value: Its value.
        low: The least value.
        high: The largest one.
        open_low: Whether ``low`` itself is too small.

    Raises:
        ArgumentError: Naming argument, value and range.
    """
    if isinstance(value, bool) or not low <= value <= high or (open_low and value == low):
        least = f"more than {low:g}" if open_low else f"at least {low:g}"
        most = "" if high == float("inf") else f" and at most {high:g}"
        raise ArgumentError(f"{name} must be {least}{most}, got {value!r}")


@functools.lru_cache(maxsize=128)
def _arguments(kind: Callable[..., Any]) -> tuple[str, ...]:
    """Read once: a strategy names all its parts when it is made."""
    return tuple(inspect.signature(kind).parameters)

"""From the names in an architecture record back to search spaces and choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lightning_nas.architecture import Architecture, Option
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.base import SPACES, SearchSpace
from lightning_nas.spaces.product.parts import part_order
from lightning_nas.spaces.product.space import Product


def space_names() -> list[str]:
    """Names of all known search spaces."""
    return sorted(SPACES)


def build_space(name: str, space_args: Mapping[str, Any]) -> SearchSpace:
    """Rebuilds a search space from what an architecture file says.

    Raises:
        ArchitectureError: If the space or one of its arguments is unknown or has a bad value.
    """
    if name not in SPACES:
        raise ArchitectureError(f"unknown search space {name!r}; known are {space_names()}")
    cls = SPACES[name]
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(space_args) - known)
    if unknown:
        raise ArchitectureError(f"space {name!r} has no argument {unknown[0]!r}; it has {sorted(known)}")
    try:
        return cls(**space_args)
    except (TypeError, ValueError) as error:
        raise ArchitectureError(f"space {name!r} cannot be built: {error}") from None


def from_architecture(architecture: Architecture) -> tuple[SearchSpace, dict[str, Option]]:
    """Rebuilds the space of any architecture.

    Returns:
        The space and the choices: of a record with one component its own space, otherwise a :class:`Product` whose
        parts are all searchable. ``space.network(choices)`` is the network.

    Raises:
        ArchitectureError: If a space, an argument, a decision or an option is unknown.

    Example:
        >>> from lightning_nas.spaces.published import published
        >>> space, choices = from_architecture(published("darts_v2"))
        >>> space.architecture(choices) == published("darts_v2")
        True
    """
    parts = {name: build_space(part.space, part.space_args) for name, part in architecture.components.items()}
    if len(parts) == 1:
        ((name, space),) = parts.items()
        if name == space.role:
            choices = dict(architecture.components[name].choices)
            space.validate(choices)
            return space, choices
    ordered = sorted(parts, key=lambda name: part_order(name, parts[name]))
    try:
        product = Product({name: parts[name] for name in ordered})
    except ArchitectureError:
        raise
    except ValueError as error:
        raise ArchitectureError(f"components cannot be joined: {error}") from None
    joined = {
        f"{name}/{decision}": option
        for name in ordered
        for decision, option in architecture.components[name].choices.items()
    }
    product.validate(joined)
    return product, joined

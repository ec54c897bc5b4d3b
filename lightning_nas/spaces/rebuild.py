"""From an architecture record back to its search space and choices."""

from __future__ import annotations

from lightning_nas.architecture import Architecture, Option
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.base import SearchSpace, build_space
from lightning_nas.spaces.product import Product, part_order


def from_architecture(architecture: Architecture) -> tuple[SearchSpace, dict[str, Option]]:
    """Rebuilds the space of any architecture.

    Returns:
        The space and the choices: of a record with one component its own space, otherwise a :class:`Product` whose
        parts are all searchable. ``space.network(choices)`` is the network.

    Raises:
        ArchitectureError: If a space, an argument, a decision or an option is unknown.

    Example:
        >>> from lightning_nas.spaces.genotypes import published
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

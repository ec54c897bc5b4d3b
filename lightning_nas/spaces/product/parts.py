"""Order and names of the parts of a product."""

from __future__ import annotations

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.base import SearchSpace

ROLES = ("image", "backbone", "neck", "head")
"""The order of the data through a network. Other roles come after these, in alphabetical order."""


def part_order(name: str, space: SearchSpace) -> tuple[int, str, str]:
    """Sorts parts by role, then by name: architecture files do not keep the order of their components."""
    return (ROLES.index(space.role) if space.role in ROLES else len(ROLES), space.role, name)


def within(part: str, choices: Choices) -> dict[str, Option]:
    """The choices of one part, in the part's own names."""
    prefix = f"{part}/"
    return {name.removeprefix(prefix): option for name, option in choices.items() if name.startswith(prefix)}

"""From an architecture to drawings of its cells: ``python -m lightning_nas.report.cells`` redraws ``found_cell.svg``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_nas.architecture import Architecture, write_atomic
from lightning_nas.spaces import Darts, SearchSpace, build_space
from lightning_nas.spaces.cells.picture import TITLES, picture_of_cell
from lightning_nas.spaces.pictures.picture import Picture

FOUND_CELL = Path(__file__).with_name("found_cell.svg")


def draw(architecture: Architecture, probabilities: Mapping[str, Any] | None = None) -> list[Picture]:
    """Draws every component of an architecture.

    Args:
        architecture: The architecture.
        probabilities: Group of logits -> ``(rows, options)`` at the end of the search, where there was one.

    Raises:
        ArchitectureError: If a component does not belong to its search space.
    """
    pictures: list[Picture] = []
    for name, part in architecture.components.items():
        space = build_space(part.space, part.space_args)
        space.validate(part.choices)
        pictures += space.pictures(part.choices, _of_part(name, probabilities or {}), part=name)
    return pictures


def _of_part(name: str, probabilities: Mapping[str, Any]) -> dict[str, Any]:
    """The groups of one component, which has its name in front in a joint search."""
    return {
        group.rpartition("/")[2]: rows
        for group, rows in probabilities.items()
        if group.rpartition("/")[0] in ("", name)
    }


def option_names(space: SearchSpace, group: str, count: int) -> tuple[str, ...]:
    """Names of the options of a group of logits: what the space calls them, else numbers."""
    names = space.option_names(group)
    return names if len(names) == count else tuple(f"option {index}" for index in range(count))


def edge_names(space: SearchSpace, group: str, rows: int) -> list[str]:
    """A label per row of a group of logits: what the space calls it, else a number."""
    names = space.edge_names(group)
    return names if len(names) == rows else [f"{group} {row}" for row in range(rows)]


def main() -> None:
    """Writes the picture of the README: the normal cell of DARTS V2."""
    s3, d3, skip = "sep_conv_3x3", "dil_conv_3x3", "skip_connect"
    normal = [((s3, 0), (s3, 1)), ((s3, 0), (s3, 1)), ((s3, 1), (skip, 0)), ((skip, 0), (d3, 2))]
    space = Darts()
    choices = space.from_genes({"normal": normal, "reduce": normal})
    picture = picture_of_cell(TITLES["normal"], space.genes(choices, "normal"), "normal", standalone=True)
    write_atomic(FOUND_CELL, picture.svg + "\n")
    print(FOUND_CELL)


if __name__ == "__main__":
    main()

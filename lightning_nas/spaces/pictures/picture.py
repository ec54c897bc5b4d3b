"""A picture of one part of an architecture, and those that need to know nothing of a space but its decisions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.pictures.drawing import Node, draw_cell, draw_chain
from lightning_nas.spaces.pictures.palette import short_name

_EDGE = re.compile(r"(\d+)\D+(\d+)$")

Probabilities = Mapping[str, Sequence[Sequence[float]]]
"""Group of logits -> probabilities of its options, ``(edges, options)``."""


@dataclass(frozen=True)
class Picture:
    """A picture of one part of an architecture.

    Args:
        title: What it shows.
        svg: An SVG element.
        operations: Names of the operations in it; empty where the options are not operations.
        group: The name of the logits that it was decoded from, empty if there is no one.
    """

    title: str
    svg: str
    operations: tuple[str, ...]
    group: str = ""


def picture_of_decisions(name: str, title: str, decisions: Sequence[str], choices: Choices) -> Picture:
    """A cell where the decisions are all edges of a graph, else a chain of blocks.

    Args:
        name: Of the space.
        title: Of the chain.
        decisions: Of the space.
        choices: The architecture.
    """
    return _complete_cell(name, choices) if is_complete_cell(decisions) else _blocks(title, choices)


def names_of_edges(decisions: Sequence[str], group: str) -> list[str]:
    """A label per row of a group of logits: ``source → target`` in a cell, else the decisions of that name."""
    if is_complete_cell(decisions):
        return ["{} → {}".format(*sorted(_ends(decision))) for decision in decisions]
    return [decision for decision in decisions if decision.startswith(f"{group}.")]


def is_complete_cell(decisions: Sequence[str]) -> bool:
    """Whether the decisions are all edges of a complete acyclic graph, as in NAS-Bench-201.

    Example:
        >>> is_complete_cell(["cell.1.0", "cell.2.0", "cell.2.1"]), is_complete_cell(["stage0.0", "stage0.1"])
        (True, False)
    """
    if not decisions or not all(_EDGE.search(decision) for decision in decisions):
        return False
    edges = {tuple(sorted(_ends(decision))) for decision in decisions}
    nodes = {node for edge in edges for node in edge}
    return len(edges) == len(decisions) == len(nodes) * (len(nodes) - 1) // 2


def _complete_cell(name: str, choices: Choices) -> Picture:
    """A cell with one decision per edge of a complete graph: the last node is the output."""
    incoming: dict[int, list[tuple[str, int]]] = {}
    for decision, option in choices.items():
        source, target = sorted(_ends(decision))
        incoming.setdefault(target, []).append((str(option), source))
    nodes = [
        Node(str(target), tuple(sorted(incoming[target], key=lambda item: item[1]))) for target in sorted(incoming)
    ]
    title = f"Cell of {name}"
    return Picture(title, draw_cell(title, ("0",), nodes, ""), tuple(map(str, choices.values())), "cell")


def _blocks(title: str, choices: Choices) -> Picture:
    """One block per prefix of the decisions' names, in their order."""
    blocks: dict[str, list[str]] = {}
    for decision, option in choices.items():
        block, _, what = decision.rpartition(".")
        blocks.setdefault(block or decision, []).append(f"{what} {_short(option)}" if block else _short(option))
    drawn = [[block, *lines] for block, lines in blocks.items()]
    return Picture(title, draw_chain(title, drawn), ())


def _short(option: Option) -> str:
    return short_name(str(option))


def _ends(decision: str) -> tuple[int, int]:
    match = _EDGE.search(decision)
    assert match is not None  # callers have checked
    return int(match[1]), int(match[2])

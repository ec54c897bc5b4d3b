"""The NAS-Bench-201 search space: one cell of four nodes, one of five operations on each of its six edges.

Source: Dong, Yang 2020, "NAS-Bench-201", arXiv 2001.00326.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.cells.path_encoding import path_bits, path_count, path_number
from lightning_nas.spaces.checks import check_one_of, check_operations, check_whole

NASBENCH201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

GROUP = "cell"
"""Name of the group of logits."""


def edges_of(nodes: int) -> list[tuple[int, int]]:
    """The edges ``(node, source)`` of a cell, node by node, sources ascending."""
    return [(node, source) for node in range(1, nodes) for source in range(node)]


@dataclass(frozen=True)
class NasBench201(SearchSpace):
    """The cell of NAS-Bench-201, repeated in three stages.

    Decisions: ``cell.n.s`` is the operation on the edge from node ``s`` to node ``n``; node 0 is the cell's input, the
    last node its output. ``none`` is an option like the others.

    Args:
        channels: Channels of the first stage; doubled in the second and again in the third.
        cells: Cells per stage.
        in_channels: Channels of the image.
        ops: Candidate operations.
        nodes: Nodes of the cell.
        stem: ``"cifar"``, the benchmark's; ``"imagenet"`` has stride 8 before the first cell, for large images.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = NasBench201()
        >>> choices = space.from_text("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
        >>> choices["cell.3.2"]
        'avg_pool_3x3'
        >>> space.size()
        15625
    """

    name: ClassVar[str] = "nasbench201"

    channels: int = 16
    cells: int = 5
    in_channels: int = 3
    ops: tuple[str, ...] = NASBENCH201_OPS
    nodes: int = 4
    stem: Literal["cifar", "imagenet"] = "cifar"

    def __post_init__(self) -> None:
        check_one_of(self, stem=("cifar", "imagenet"))
        check_operations(self, allow_none_alone=True)
        check_whole(self, channels=(1, 4096), cells=(1, 512), in_channels=(1, 4096), nodes=(2, 16))

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """One operation per edge; edges node by node, sources ascending."""
        return tuple(f"cell.{node}.{source}" for node, source in edges_of(self.nodes))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """All operations, on every edge."""
        return list(self.ops)

    def edge_ops(self, choices: Choices) -> list[str]:
        """The operation of every edge, in the order of the edges."""
        return [str(choices[name]) for name in self.decisions]

    # ---- text form ----------------------------------------------------------------------------------------------

    def to_text(self, choices: Choices) -> str:
        """The benchmark's own notation, e.g. ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``.

        Raises:
            ArchitectureError: If the choices do not belong to the space.
        """
        self.validate(choices)
        nodes = []
        for node in range(1, self.nodes):
            nodes.append("|" + "|".join(f"{choices[f'cell.{node}.{source}']}~{source}" for source in range(node)) + "|")
        return "+".join(nodes)

    def from_text(self, text: str) -> dict[str, Option]:
        """Reads :meth:`to_text`'s notation.

        Raises:
            ArchitectureError: If the text is not an architecture of this space.
        """
        nodes = text.strip().split("+")
        if len(nodes) != self.nodes - 1:
            raise ArchitectureError(f"{text!r}: expected {self.nodes - 1} nodes joined by '+', got {len(nodes)}")
        choices: dict[str, Option] = {}
        for node, part in enumerate(nodes, start=1):
            edges = part.strip("|").split("|") if part.startswith("|") and part.endswith("|") else []
            if len(edges) != node:
                raise ArchitectureError(f"{text!r}: node {node} must be {node} edges between '|', got {part!r}")
            for source, edge in enumerate(edges):
                op, separator, origin = edge.partition("~")
                if not separator or origin != str(source):
                    raise ArchitectureError(f"{text!r}: expected 'operation~{source}' for node {node}, got {edge!r}")
                choices[f"cell.{node}.{source}"] = op
        self.validate(choices)
        return choices

    def canonical(self, choices: Choices, *, propagate_zero: bool = True) -> str:
        """The benchmark's text for a cell up to identities: equal texts mean equal functions.

        Identities are folded and the terms of a sum are sorted, as texts: of the 15,625 cells 12,751 differ, and 6,466
        if ``none`` is propagated too. The converse does not hold, because a folded sum stays one term; counted with all
        sums flattened, 4,930 cells differ.

        Args:
            choices: One architecture.
            propagate_zero: Whether an operation on nothing is nothing, written ``#``.

        Returns:
            The expression of the cell's output.
        """
        states = ["x"]
        for node in range(1, self.nodes):
            terms = []
            for source in range(node):
                op, state = str(choices[f"cell.{node}.{source}"]), states[source]
                if propagate_zero and (op == "none" or state == "#"):
                    terms.append("#")
                else:
                    terms.append(state if op == "skip_connect" else f"({state})@{op}")
            states.append("+".join(sorted(terms)))
        return states[-1]

    def connected(self, choices: Choices) -> bool:
        """Whether the output depends on the input; 341 of the 15,625 cells compute a constant."""
        reached = {0}
        for node in range(1, self.nodes):
            if any(source in reached and choices[f"cell.{node}.{source}"] != "none" for source in range(node)):
                reached.add(node)
        return self.nodes - 1 in reached

    def defect(self, choices: Choices) -> str | None:
        """A cell that computes a constant."""
        return None if self.connected(choices) else "no path leads from the input of the cell to its output"

    def path_encode(self, choices: Choices, *, bits: int | None = None) -> Tensor:
        """One bit per sequence of operations on the way from the input to the output: 5 + 25 + 125 = 155.

        ``none`` is an operation like the others (of a space without it there are 84 bits). Every cell has four such
        routes, and the two over one inner node may read the same, so that three or four bits are set.

        Args:
            choices: One architecture.
            bits: Keep so many of the shortest paths; None: all.
        """
        index = {name: position for position, name in enumerate(self.ops)}
        paths: list[list[list[int]]] = [[[]]]  # of every node, from the input to it
        for node in range(1, self.nodes):
            ops = [index[str(choices[f"cell.{node}.{source}"])] for source in range(node)]
            paths.append([[*path, ops[source]] for source in range(node) for path in paths[source]])
        numbers = (path_number(path, len(self.ops)) for path in paths[-1])
        return path_bits(numbers, path_count(self.nodes - 1, len(self.ops)), bits)

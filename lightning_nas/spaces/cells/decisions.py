"""Decisions of cells whose nodes sum two operations on earlier states, as in DARTS: names, genes, decoding.

A cell has two inputs, the states 0 and 1, and nodes from 2 on. Decisions of node ``n`` of the cell ``normal``:
``normal.n.inputs``, a pair of states such as ``"0+1"``, and ``normal.n.op0``, ``normal.n.op1``, the operations on them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from lightning_nas.architecture import Choices, Option

CELL_TYPES = ("normal", "reduce")
SIDES = (0, 1)
"""The two operations of a node."""
Stem = Literal["cifar", "stride2", "stride4", "imagenet"]
Gene = tuple[str, int]
"""An operation and the state that it reads (0 and 1 are the cell's inputs, 2 the first node)."""
NodeGenes = tuple[Gene, Gene]
"""The two operations of a node, each with the state that it reads."""


def cell_decisions(cell: str, steps: int) -> tuple[str, ...]:
    """Names of the decisions of a cell with so many nodes."""
    return tuple(f"{cell}.{node}.{what}" for node in range(2, steps + 2) for what in ("inputs", "op0", "op1"))


def cell_options(name: str, ops: Sequence[str], *, same_input: bool = False, with_none: bool = False) -> list[Option]:
    """Options of a decision of a cell: pairs of states for ``inputs``, else the operations (``none`` if wanted).

    Example:
        >>> cell_options("normal.3.inputs", ())
        ['0+1', '0+2', '1+2']
    """
    _, node, what = name.rsplit(".", 2)
    if what != "inputs":
        return [op for op in ops if with_none or op != "none"]
    combine = itertools.combinations_with_replacement if same_input else itertools.combinations
    return [f"{first}+{second}" for first, second in combine(range(int(node)), 2)]


def genes_of(choices: Choices, cell: str, steps: int) -> list[NodeGenes]:
    """The operations and sources of every node of a cell."""
    nodes = []
    for node in range(2, steps + 2):
        first, second = str(choices[f"{cell}.{node}.inputs"]).split("+")
        op0, op1 = str(choices[f"{cell}.{node}.op0"]), str(choices[f"{cell}.{node}.op1"])
        nodes.append(((op0, int(first)), (op1, int(second))))
    return nodes


def choices_of(genes: Sequence[NodeGenes], cell: str) -> dict[str, Option]:
    """The decisions of a cell; the order of the two genes of a node does not matter."""
    choices: dict[str, Option] = {}
    for node, pair in enumerate(genes, start=2):
        (op0, first), (op1, second) = sorted(pair, key=lambda gene: gene[1])
        choices[f"{cell}.{node}.inputs"] = f"{first}+{second}"
        choices[f"{cell}.{node}.op0"], choices[f"{cell}.{node}.op1"] = op0, op1
    return choices


def strongest_genes(
    logits: Tensor,
    ops: Sequence[str],
    steps: int,
    *,
    same_input: bool = False,
    with_none: bool = False,
    relaxed: bool = False,
) -> list[NodeGenes]:
    """Softmax per edge; for every node the two strongest edges, each with its strongest operation.

    Args:
        logits: ``(edges, operations)``, edges node by node, sources ascending.
        ops: Names of the operations.
        steps: Number of nodes.
        same_input: Rank pairs of edge and operation instead, so that both operations may be of one edge.
        with_none: Whether ``none`` may be the strongest operation; else it is left out.
        relaxed: Whether the logits are strengths already, of which no softmax is taken.
    """
    weights = logits.detach().double().cpu()
    if not relaxed:
        weights = weights.softmax(dim=-1)
    allowed = [index for index, name in enumerate(ops) if with_none or name != "none"]
    nodes: list[NodeGenes] = []
    start = 0
    for node in range(2, steps + 2):
        ranked = []  # (weight, source, option), strongest first; ties by lowest index
        for source in range(node):
            row = weights[start + source]
            options = sorted(allowed, key=lambda o, row=row: -float(row[o]))  # type: ignore[misc]
            ranked += [(-float(row[o]), source, o) for o in (options if same_input else options[:1])]
        ranked.sort(key=lambda item: item[0])
        best = [(ops[option], source) for _, source, option in ranked[:2]]
        nodes.append((best[0], best[1]))
        start += node
    return nodes


def entering_edges(steps: int) -> tuple[range, ...]:
    """For every node the numbers of the edges that enter it.

    Example:
        >>> entering_edges(3)
        (range(0, 2), range(2, 5), range(5, 9))
    """
    starts = [sum(range(2, node)) for node in range(2, steps + 3)]
    return tuple(range(start, stop) for start, stop in itertools.pairwise(starts))


def active_options(genes: Sequence[NodeGenes], ops: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """For every edge of a cell the operations that an architecture uses on it."""
    active: list[tuple[int, ...]] = []
    for node, pair in enumerate(genes, start=2):
        for source in range(node):
            active.append(tuple(sorted({ops.index(op) for op, origin in pair if origin == source})))
    return tuple(active)


def candidate_of(genes: Sequence[NodeGenes], ops: Sequence[str]) -> list[tuple[int, int]]:
    """For every operation of a found cell, in order, its edge and option in the cell that mixes all."""
    found = []
    start = 0
    for node, pair in enumerate(genes, start=2):
        found += [(start + source, ops.index(op)) for op, source in pair]
        start += node
    return found

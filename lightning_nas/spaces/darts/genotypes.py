"""The published genotype notation of the DARTS family.

The notation: ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...],
reduce_concat=range(2, 6))``, two (operation, state) pairs per node.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.cells.decisions import CELL_TYPES, Gene
from lightning_nas.spaces.darts.space import DARTS_OPS, Darts
from lightning_nas.spaces.record import build_space

_MAX_TEXT = 20_000
_MAX_NODES = 16


def from_genotype(text: str, **space_args: Any) -> Architecture:
    """Reads the genotype notation. The text is parsed, never run.

    Args:
        text: ``Genotype(normal=[...], normal_concat=..., reduce=[...], reduce_concat=...)``.
        **space_args: Arguments of :class:`Darts`; 36 channels and 20 cells if not told otherwise.

    Raises:
        ArchitectureError: If the text is not a genotype, or not one whose cells concatenate all their nodes.
    """
    fields = _parse(text)
    cells = {}
    for cell in CELL_TYPES:
        genes = fields[cell]
        if not isinstance(genes, list | tuple) or not genes or len(genes) % 2 or len(genes) > 2 * _MAX_NODES:
            raise ArchitectureError(f"genotype: {cell} must be a list of two (operation, state) pairs per node")
        checked = [_gene(gene, cell) for gene in genes]
        concat = fields[f"{cell}_concat"]
        nodes = list(range(2, 2 + len(genes) // 2))
        if not isinstance(concat, list | tuple | range) or sorted(concat, key=str) != sorted(nodes, key=str):
            raise ArchitectureError(f"genotype: {cell}_concat must be all nodes {nodes}, got {concat!r}")
        cells[cell] = node_pairs(checked)
    return cells_architecture(cells, {"channels": 36, "cells": 20, **space_args}, {})


def to_genotype(architecture: Architecture) -> str:
    """Writes the backbone of an architecture of the DARTS space in the genotype notation.

    Raises:
        ArchitectureError: If the architecture has no backbone of the DARTS space.
    """
    part = architecture.components.get("backbone")
    if part is None or part.space != Darts.name:
        raise ArchitectureError(f"only a backbone of the space {Darts.name!r} has a genotype, got {architecture!r}")
    space = build_space(part.space, part.space_args)
    assert isinstance(space, Darts)
    space.validate(part.choices)
    fields = []
    for cell in CELL_TYPES:
        genes = [gene for pair in space.genes(part.choices, cell) for gene in pair]
        fields.append(f"{cell}={genes!r}, {cell}_concat=range(2, {space.steps + 2})")
    return f"Genotype({', '.join(fields)})"


def cells_architecture(
    cells: dict[str, list[tuple[Gene, Gene]]], space_args: dict[str, Any], provenance: dict[str, Any]
) -> Architecture:
    """The record of two cells, in a space that has their operations.

    Args:
        cells: Genes of the nodes, per cell type.
        space_args: Arguments of :class:`~lightning_nas.spaces.darts.space.Darts`.
        provenance: Where the cells come from.

    Raises:
        ArchitectureError: If they are not two cells of the DARTS kind.
    """
    if len({len(nodes) for nodes in cells.values()}) != 1:
        raise ArchitectureError("genotype: both cells must have equally many nodes")
    genes = [gene for nodes in cells.values() for pair in nodes for gene in pair]
    extra = dict.fromkeys(op for op, _ in genes if op not in DARTS_OPS)
    twice = any(first[1] == second[1] for nodes in cells.values() for first, second in nodes)
    arguments = {"ops": [*DARTS_OPS, *extra], "steps": len(cells["normal"]), "same_input": twice, **space_args}
    space = build_space(Darts.name, arguments)
    assert isinstance(space, Darts)
    return space.architecture(space.from_genes(cells), provenance)


def node_pairs(genes: Sequence[Gene]) -> list[tuple[Gene, Gene]]:
    """The genes of a cell, in a row, as two per node."""
    return list(zip(genes[::2], genes[1::2], strict=True))


def _gene(gene: Any, cell: str) -> Gene:
    if isinstance(gene, tuple | list) and len(gene) == 2:
        op, state = gene
        if isinstance(op, str) and isinstance(state, int) and not isinstance(state, bool) and state >= 0:
            return op, state
    raise ArchitectureError(f"genotype: {cell} holds pairs like ('sep_conv_3x3', 0), got {gene!r}")


def _parse(text: str) -> dict[str, Any]:
    """The four fields as plain values; ``range(a, b)`` is the only call that is understood."""
    expected = {field for cell in CELL_TYPES for field in (cell, f"{cell}_concat")}
    if len(text) > _MAX_TEXT:
        raise ArchitectureError(f"genotype: longer than {_MAX_TEXT} characters")
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "Genotype":
            raise ArchitectureError(f"expected Genotype(normal=..., ...), got {text[:80]!r}")
        if call.args or {keyword.arg for keyword in call.keywords} != expected:
            raise ArchitectureError(f"genotype: expected the fields {sorted(expected)}, got {text[:80]!r}")
        return {str(keyword.arg): _value(keyword.value) for keyword in call.keywords}
    except (SyntaxError, RecursionError, MemoryError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, ArchitectureError):
            raise
        raise ArchitectureError(f"not a genotype: {error}") from None


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and not node.keywords:
        bounds = range(*(ast.literal_eval(argument) for argument in node.args))
        if len(bounds) > _MAX_NODES:
            raise ArchitectureError(f"genotype: at most {_MAX_NODES} nodes, got {bounds!r}")
        return bounds
    return ast.literal_eval(node)

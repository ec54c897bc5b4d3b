"""Architectures that papers have published in the DARTS space: two ``operation.state`` pairs per node, in order."""

from __future__ import annotations

from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.spaces.cells.decisions import CELL_TYPES, Gene
from lightning_nas.spaces.darts.genotypes import cells_architecture, node_pairs

ABBREVIATIONS = {
    "mp": "max_pool_3x3",
    "ap": "avg_pool_3x3",
    "sk": "skip_connect",
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
}
PUBLISHED = {
    "darts_v1": {
        "source": "Liu, Simonyan, Yang 2019, arXiv 1806.09055, first order, CIFAR-10",
        "normal": "s3.1 s3.0 sk.0 s3.1 sk.0 s3.1 s3.0 sk.2",
        "reduce": "mp.0 mp.1 sk.2 mp.0 mp.0 sk.2 sk.2 ap.0",
    },
    "darts_v2": {
        "source": "Liu, Simonyan, Yang 2019, arXiv 1806.09055, second order, CIFAR-10",
        "normal": "s3.0 s3.1 s3.0 s3.1 s3.1 sk.0 sk.0 d3.2",
        "reduce": "mp.0 mp.1 sk.2 mp.1 mp.0 sk.2 sk.2 mp.1",
    },
    "drnas_cifar": {
        "source": "Chen et al. 2021, arXiv 2006.10355, CIFAR-10",
        "normal": "s3.0 s5.1 s3.1 s3.2 sk.0 s3.1 s3.2 d5.3",
        "reduce": "mp.0 s5.1 d5.2 s5.1 s5.1 d5.3 sk.4 s5.1",
    },
    "drnas_imagenet": {
        "source": "Chen et al. 2021, arXiv 2006.10355, ImageNet",
        "normal": "s3.1 s3.0 s3.0 s3.1 s3.0 d3.3 sk.0 s3.1",
        "reduce": "mp.0 s3.1 s3.0 sk.2 s3.0 s3.2 s3.3 s3.1",
    },
    "gdas_v1": {
        "source": "Dong, Yang 2019, arXiv 1910.04465, CIFAR-10, normal and reduction cell searched",
        "normal": "sk.0 sk.1 sk.0 s5.2 s3.3 sk.0 s5.4 s3.3",
        "reduce": "s5.0 s3.1 s5.2 s5.1 d5.2 s3.1 s5.0 s5.1",
    },
    "p_darts": {
        "source": "Chen et al. 2019, arXiv 1904.12760, CIFAR-10",
        "normal": "sk.0 d3.1 sk.0 s3.1 s3.1 s3.3 s3.0 d5.4",
        "reduce": "ap.0 s5.1 s3.0 d5.2 mp.0 d3.1 d3.1 d5.3",
    },
    "pc_darts_cifar": {
        "source": "Xu et al. 2020, arXiv 1907.05737, CIFAR-10",
        "normal": "s3.1 sk.0 s3.0 d3.1 s5.0 s3.1 ap.0 d3.1",
        "reduce": "s5.1 mp.0 s5.1 s5.2 s3.0 s3.3 s3.1 s3.2",
    },
    "pc_darts_imagenet": {
        "source": "Xu et al. 2020, arXiv 1907.05737, ImageNet",
        "normal": "sk.1 s3.0 s3.0 sk.1 s3.1 s3.3 s3.1 d5.4",
        "reduce": "s3.0 sk.1 d5.2 mp.1 s3.2 s3.1 s5.0 s3.3",
    },
}


def published_darts(name: str, **space_args: Any) -> Architecture:
    """A published architecture of the DARTS space, with 36 channels and 20 cells if not told otherwise.

    Args:
        name: A key of :data:`PUBLISHED`.
        **space_args: Arguments of :class:`~lightning_nas.spaces.darts.space.Darts`.
    """
    entry = PUBLISHED[name]
    cells = {cell: node_pairs([_abbreviated(gene) for gene in entry[cell].split()]) for cell in CELL_TYPES}
    return cells_architecture(
        cells, {"channels": 36, "cells": 20, **space_args}, {"published": name, "source": entry["source"]}
    )


def _abbreviated(gene: str) -> Gene:
    op, state = gene.split(".")
    return ABBREVIATIONS[op], int(state)

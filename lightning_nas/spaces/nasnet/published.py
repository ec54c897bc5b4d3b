"""Architectures that papers have published in the NASNet space: two ``operation.state`` pairs per block, in order.

The states that their cells concatenate are those of the networks that their authors have released. They are not quite
those that no block reads: the older input is among them, and states of reduction cells that a block does read.

Sizes of the CIFAR-10 networks, counted here with a linear classifier of 10 classes and without auxiliary head: NASNet-A
(6 @ 768) 3,328,234 parameters, published 3.3 M; AmoebaNet-A (N = 6) 2,558,858 with F = 32 and 3,207,106 with F = 36,
published 2.6 M and 3.2 M. AmoebaNet-A for ImageNet in mobile size (N = 4, F = 50) has 5,092,175, published 5.1 M, though
its stem is that of DARTS here and two reduction cells there.
"""

from __future__ import annotations

from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.spaces.cells.decisions import CELL_TYPES, NodeGenes
from lightning_nas.spaces.nasnet.space import AMOEBANET_OPS, NASNET_OPS, NasNet

ABBREVIATIONS = {
    "id": "skip_connect",
    "mp": "max_pool_3x3",
    "ap": "avg_pool_3x3",
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "s7": "sep_conv_7x7",
    "c7": "bottleneck_1x7_7x1",
}
PUBLISHED_NASNET: dict[str, dict[str, Any]] = {
    "amoebanet_a": {
        "source": "Real et al. 2019, arXiv 1802.01548, CIFAR-10",
        "normal": "ap.1 mp.1 s3.0 id.0 id.1 ap.0 s3.1 s5.2 ap.5 s3.1",
        "reduce": "s3.0 ap.1 mp.1 s7.2 mp.0 mp.1 s3.4 c7.1 ap.0 s7.1",
        "space_args": {
            "channels": 36,
            "cells": 20,
            "ops": AMOEBANET_OPS,
            "normal_concat": (0, 3, 4, 6),
            "reduce_concat": (2, 3, 4, 5, 6),
        },
    },
    "nasnet_a": {
        "source": "Zoph et al. 2018, arXiv 1707.07012, CIFAR-10, 6 @ 768",
        "normal": "s5.1 s3.0 s5.0 s3.0 ap.1 id.0 ap.0 ap.0 s3.1 id.1",
        "reduce": "s5.1 s7.0 mp.1 s7.0 ap.1 s5.0 id.3 ap.2 s3.2 mp.1",
        "space_args": {
            "channels": 32,
            "cells": 20,
            "ops": NASNET_OPS,
            "normal_concat": (0, 2, 3, 4, 5, 6),
            "reduce_concat": (3, 4, 5, 6),
        },
    },
}


def published_nasnet(name: str, **space_args: Any) -> Architecture:
    """A published architecture of the NASNet space, in the size of its CIFAR-10 network if not told otherwise.

    Args:
        name: A key of :data:`PUBLISHED_NASNET`.
        **space_args: Arguments of :class:`NasNet`.
    """
    entry = PUBLISHED_NASNET[name]
    space = NasNet(**{**entry["space_args"], **space_args})
    choices = space.from_genes({cell: _blocks(entry[cell]) for cell in CELL_TYPES})
    return space.architecture(choices, {"published": name, "source": entry["source"]})


def _blocks(text: str) -> list[NodeGenes]:
    genes = [(ABBREVIATIONS[op], int(state)) for op, state in (gene.split(".") for gene in text.split())]
    return list(zip(genes[::2], genes[1::2], strict=True))

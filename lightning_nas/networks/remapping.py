"""Puts the weights of a pretrained network into another one of its kind, of other widths, depths and kernels.

Source: Fang et al. 2020, "Fast Neural Network Adaptation via Parameter Remapping", arXiv 2006.12986, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_nas.errors import WeightsError
from lightning_nas.networks.seeds import Seed
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.places import STEM, Place, numbered


@dataclass(frozen=True)
class Remapped:
    """What was filled.

    Args:
        filled: Names of the tensors that hold values of the seed.
        left: Names of those that keep their initial values.
        sorted: Whether the seed's channels were sorted by importance before.

    Example:
        >>> len(Remapped(filled=("stem.weight",), left=(), sorted=False).filled)
        1
    """

    filled: tuple[str, ...]
    left: tuple[str, ...]
    sorted: bool


def remap(seed: Seed, network: Backbone, *, sort: bool | None = None) -> Remapped:
    """Fills a found network or a supernet, in place.

    A block takes from the seed's block of the same stage and number, or the stage's last one; stages are told by their stride
    and their number among those of that stride. Of a convolution the first channels and the centre of the kernel are taken,
    and what is new is 0; of BatchNorm the first channels, and what is new keeps its initial values. So a network that is
    wider than the seed, or has larger kernels, computes what the seed does.

    Args:
        seed: The pretrained network.
        network: What to fill; of a product its backbone is filled.
        sort: Whether the channels inside the seed's blocks are sorted by importance first. None: where some are left out, here
            or in the networks that a supernet is sliced into.

    Raises:
        WeightsError: If the network has no blocks of the seed's kind.
    """
    backbone = network.named_parts().get("backbone", network)
    blocks = _blocks(seed)
    sources = {
        name: source for name, place in backbone.places().items() if (source := _source(place, blocks)) is not None
    }
    theirs = {name for name in seed.tensors if not name.startswith("body.stem.")}
    ours = backbone.state_dict()
    pairs = _pairs(ours, sources, seed.tensors)
    if not any(source in theirs for source in pairs.values()):
        raise WeightsError(
            f"pretrained: the weights of {seed.name} ({seed.source}) do not fit {type(backbone).__name__}: it has no blocks of "
            f"that kind; {_what_fits(backbone, seed)}"
        )
    if sort is None:
        sort = backbone.slices or any(
            ours[name].shape[0] < seed.tensors[source].shape[0] and ".project" not in source
            for name, source in pairs.items()
            if source in theirs and ours[name].dim() == 4
        )
    unscaled = [
        name for name, module in backbone.named_modules() if isinstance(module, nn.BatchNorm2d) and not module.affine
    ]
    if unscaled:
        raise WeightsError(
            f"pretrained: the weights of {seed.name} ({seed.source}) cannot be put into {type(backbone).__name__}, whose "
            f"BatchNorm has no scale and shift ({unscaled[0]} and {len(unscaled) - 1} others); what fits is a found network of "
            "the space, or space=elastic"
        )
    tensors = seed.sorted().tensors if sort else seed.tensors
    with torch.no_grad():
        for name, source in pairs.items():
            _fill(ours[name], tensors[source])
    return Remapped(tuple(pairs), tuple(name for name in ours if name not in pairs), sort)


def _blocks(seed: Seed) -> dict[tuple[int, int], tuple[str, int]]:
    """Stride and number of a stage -> the seed's name for it, and how many blocks it has."""
    stages = numbered(seed.trunk.reductions)
    return {key: (f"body.stages.{s}", len(seed.trunk.stages[s])) for s, key in enumerate(stages)}


def _source(place: Place, blocks: Mapping[tuple[int, int], tuple[str, int]]) -> str | None:
    """The seed's module for a place; None if it has no stage of that stride."""
    if place.reduction == STEM:
        return f"body.stem.{place.module}"
    same = [index for reduction, index in blocks if reduction == place.reduction]
    if not same:
        return None
    stage, depth = blocks[place.reduction, min(place.number, max(same))]
    return f"{stage}.{min(place.layer, depth - 1)}.{place.module}"


def _pairs(ours: Mapping[str, Tensor], sources: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Tensor of the network -> tensor of the seed, where it has one of the same dimensions."""
    found = {}
    for name, tensor in ours.items():
        module, _, leaf = name.rpartition(".")
        source = f"{sources[module]}.{leaf}" if module in sources else ""
        if source in tensors and tensors[source].dim() == tensor.dim():
            found[name] = source
    return found


def _fill(target: Tensor, source: Tensor) -> None:
    """The first entries of every dimension, of a kernel the centre; what is new of a convolution is 0."""
    if target.dim() == 4:
        target.zero_()
    window_of_target: list[slice] = []
    window_of_source: list[slice] = []
    for dim, (wanted, given) in enumerate(zip(target.shape, source.shape, strict=True)):
        common = min(wanted, given)
        centred = dim >= 2
        for size, windows in ((wanted, window_of_target), (given, window_of_source)):
            start = (size - common) // 2 if centred else 0
            windows.append(slice(start, start + common))
    target[tuple(window_of_target)] = source[tuple(window_of_source)].to(target)


def _what_fits(backbone: nn.Module, seed: Seed) -> str:
    kinds = {block.kind for stage in seed.trunk.stages for block in stage}
    fitting = (
        "space=elastic with a ResNet as seed"
        if kinds != {"inverted"}
        else ("space=elastic with a seed of inverted residuals, or space=chain")
    )
    return f"what fits is {fitting}"

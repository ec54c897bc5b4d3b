"""Pretrained weights of well-known networks: out of torchvision, timm or a file, under the names of the elastic space."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError, WeightsError
from lightning_nas.networks.weightless import without_weights
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.spaces import Elastic
from lightning_nas.spaces.elastic.families import TIMM, TORCHVISION, seed_names, trunk_of
from lightning_nas.spaces.elastic.trunk import Trunk

MIDDLES = {
    "inverted": (
        (("expand", "expand_norm", "depthwise", "depthwise_norm", "squeeze.widen"), ("project", "squeeze.reduce")),
    ),
    "basic": ((("conv1", "norm1"), ("conv2",)),),
    "bottleneck": ((("conv1", "norm1"), ("conv2",)), (("conv2", "norm2"), ("conv3",))),
}
"""Per kind of block the layers whose outputs are channels inside, and those that read them; the first of these judges them."""


@dataclass(frozen=True)
class Seed:
    """A pretrained network without its classifier.

    Args:
        name: One of :func:`~lightning_nas.spaces.elastic.families.seed_names`.
        tensors: By name, as in ``Elastic(name).network(...)``.
        source: What to call them in messages.
    """

    name: str
    tensors: Mapping[str, Tensor]
    source: str

    @property
    def trunk(self) -> Trunk:
        """Its structure."""
        return trunk_of(self.name)

    def sorted(self) -> Seed:
        """The same function with the channels inside every block in the order of their importance, most important first.

        That of a channel is the sum of the absolute weights that read it (Cai et al. 2020, "Once-for-All", arXiv 1908.09791);
        so the first channels are the ones to keep. Channels between blocks keep their order.
        """
        tensors = dict(self.tensors)
        for stage, blocks in enumerate(self.trunk.stages):
            for layer, block in enumerate(blocks):
                if not block.expands:
                    continue  # the channels inside are those of its input
                prefix = f"body.stages.{stage}.{layer}."
                for writers, readers in MIDDLES[block.kind]:
                    judge = tensors[f"{prefix}{readers[0]}.weight"]
                    order = judge.abs().sum((0, 2, 3)).argsort(descending=True, stable=True)
                    for module, dim in (*((w, 0) for w in writers), *((r, 1) for r in readers)):
                        for name in [n for n in tensors if n.startswith(f"{prefix}{module}.")]:
                            if tensors[name].dim() > dim:
                                tensors[name] = tensors[name].index_select(dim, order)
        return replace(self, tensors=tensors)


def seed_weights(pretrained: bool | str, seed: str | None = None) -> Seed:
    """The pretrained weights that a user names.

    Args:
        pretrained: True: the published weights of ``seed``; the name of a network: its published weights; both are downloaded
            by torchvision or timm, and a line says so. Else a weights file, see
            :func:`~lightning_nas.networks.weights.read_state_dict`.
        seed: The network that they are for, where there is one.

    Raises:
        ArgumentError: If nothing says which network is meant, or there is no such file or name.
        WeightsError: If timm is missing or nothing can be downloaded, or a file holds the weights of another network.
    """
    if isinstance(pretrained, bool):
        if not pretrained or seed is None:
            raise ArgumentError(
                f"pretrained = {str(pretrained).lower()}: only a space with a seed knows which weights are meant; name a "
                f"weights file, or a network: {', '.join(seed_names())}"
            )
        return _published(seed)
    if pretrained in seed_names():
        return _published(pretrained)
    if not Path(pretrained).is_file():
        raise ArgumentError(
            f"pretrained = {pretrained!r}: there is no such file, and no network of that name; there are "
            f"{', '.join(seed_names())}"
        )
    return seed_of(read_state_dict(pretrained), str(pretrained), seed)


def seed_of(tensors: Mapping[str, Tensor], source: str | os.PathLike[str], seed: str | None = None) -> Seed:
    """Recognises a network by its tensors: their order, the last parts of their names, and their shapes.

    So weights fit whatever a library calls its modules. What follows behind the trunk, as a classifier, is left out.

    Args:
        tensors: A ``state_dict``.
        source: What to call them in messages.
        seed: The network that is expected; tried first.

    Raises:
        WeightsError: If it is none of the networks that are known.

    Example:
        >>> import torchvision
        >>> seed_of(torchvision.models.resnet18().state_dict(), "a new network").name
        'resnet18'
    """
    given = list(_ordered(tensors))
    nearest = (0, "")
    for name in (*([seed] if seed else []), *seed_names()):
        if name != seed and not _same_stem(name, given):
            continue  # before its whole structure is built
        wanted = _template(name)
        ours = list(_ordered(wanted))
        agreeing = _agreeing(ours, given)
        if agreeing == len(ours):
            renamed = {own: tensor for (own, _), (_, tensor) in zip(ours, given, strict=False)}
            missing = {own: torch.zeros_like(t, device="cpu") for own, t in wanted.items() if own not in renamed}
            return Seed(name, {own: {**renamed, **missing}[own] for own in wanted}, str(source))
        if name == seed:
            nearest = (agreeing, name)
    which = f"a {seed}" if seed else "a network that can be a seed"
    raise WeightsError(f"{source}: these are not the weights of {which}{_first_difference(given, *nearest)}")


def _ordered(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Without the counters of BatchNorm, which old files lack."""
    return ((name, tensor) for name, tensor in tensors.items() if not name.endswith("num_batches_tracked"))


def _agreeing(ours: list[tuple[str, Tensor]], given: list[tuple[str, Tensor]]) -> int:
    """How many tensors agree in the last part of their name and in shape, from the first on."""
    for index, ((own, tensor), (name, other)) in enumerate(zip(ours, given, strict=False)):
        if own.rsplit(".", 1)[-1] != name.rsplit(".", 1)[-1] or tensor.shape != other.shape:
            return index
    return min(len(ours), len(given))


def _first_difference(given: list[tuple[str, Tensor]], agreeing: int, seed: str) -> str:
    if not seed:
        return f"; there are {', '.join(seed_names())}"
    own, wanted = list(_ordered(_template(seed)))[agreeing]
    if agreeing == len(given):
        return f": {own} {tuple(wanted.shape)} is missing"
    name, tensor = given[agreeing]
    return f": {name} {tuple(tensor.shape)} stands where {own} {tuple(wanted.shape)} is expected"


def _same_stem(name: str, given: list[tuple[str, Tensor]]) -> bool:
    trunk = trunk_of(name)
    return bool(given) and tuple(given[0][1].shape) == (trunk.stem, 3, trunk.stem_kernel, trunk.stem_kernel)


@functools.cache
def _template(seed: str) -> dict[str, Tensor]:
    """Names and shapes of a seed's tensors."""
    with without_weights():
        return Elastic(seed).network(Elastic(seed).largest()).state_dict()


def _published(name: str) -> Seed:
    """Downloads the weights of a network."""
    library = "torchvision" if name in TORCHVISION else "timm"
    if name in TIMM and find_spec("timm") is None:
        raise WeightsError(
            f"pretrained: the weights of {name} come from timm, which is not installed: install timm, name one of "
            f"{', '.join(TORCHVISION)}, or pass a weights file"
        )
    print(f"pretrained: {library} fetches the published weights of {name}, unless they have been downloaded before")
    try:
        model = _fetched(name)
    except Exception as error:  # libraries and their connections fail in many ways
        raise WeightsError(
            f"pretrained: {library} cannot fetch the weights of {name} ({type(error).__name__}: {str(error)[:200]}): pass "
            "a weights file"
        ) from error
    return seed_of(model.state_dict(), f"{library}'s {name}", name)


def _fetched(name: str) -> Any:
    if name in TORCHVISION:
        from torchvision.models import get_model

        return get_model(name, weights="DEFAULT")
    import timm

    return timm.create_model(name, pretrained=True)

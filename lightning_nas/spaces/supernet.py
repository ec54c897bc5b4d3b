"""The network that holds every architecture of a space, and the weights that mix its options."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.ops.mixer import Form
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces.features import Backbone, FeatureInfo
from lightning_nas.spaces.found import register
from lightning_nas.spaces.mixed_parts import MixedParts
from lightning_nas.spaces.option_weights import (
    OptionWeights,
    Paths,
    Placement,
    Relaxation,
    one_path,
    softmax_relaxation,
)


class Supernet(Backbone, MixedParts):
    """A network that contains all architectures of a space: ``class ChainSupernet(Supernet, space=Chain)``.

    Logits live in :attr:`logits`, one ``(edges, options)`` matrix per group, and nowhere else: all other parameters are
    weights. One forward pass asks :attr:`relaxation` once, so that all cells of a group share a sample.

    Args:
        groups: Group name -> ``(edges, options)``.
        generator: Draws the initial logits, ``1e-3 * N(0, 1)``; seeded with 0 if None.

    Attributes:
        logits: The architecture parameters.
        edge_logits: Group -> ``(edges,)``: more of them, for the edges that enter a node, where a strategy has added some.
        relaxation: Logits -> option weights; a strategy sets it. The softmax of DARTS by default.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> space = NasBench201(channels=4, cells=1)
        >>> supernet = space.supernet()
        >>> supernet.activate(space.decode(supernet.logits))  # one path alone is computed now
        >>> {group: tuple(rows.shape) for group, rows in supernet.logits.items()}
        {'cell': (6, 5)}
    """

    space: Any  # the SearchSpace that made it, whose file imports this one
    inputs: FeatureInfo | None = None  # the maps it is fed with, of a neck or head
    _returned: tuple[int, ...] | None = None

    def __init_subclass__(cls, *, space: type[Any] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if space is not None:
            register(space, "mixed_network", cls)

    def __init__(self, groups: Mapping[str, tuple[int, int]], generator: torch.Generator | None = None) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.logits = nn.ParameterDict(
            {name: nn.Parameter(1e-3 * torch.randn(shape, generator=generator)) for name, shape in groups.items()}
        )
        self.edge_logits = nn.ParameterDict()
        self.relaxation: Relaxation = softmax_relaxation
        self._path: dict[str, Paths] | None = None
        self._given: Mapping[str, OptionWeights] | None = None  # set by a supernet of which this one is a part

    @classmethod
    def of(cls, space: Any, inputs: FeatureInfo | None, generator: torch.Generator | None) -> Self:
        """Builds the supernet of a space. Override it if more is needed than the space and a generator.

        Args:
            space: The search space.
            inputs: The feature maps it is fed with, for necks and heads; None for an image.
            generator: Draws the initial logits.
        """
        return cls(space, generator)

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` all maps that there are, and the map of :attr:`auxiliary_info` or None."""
        raise NotImplementedError

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """The maps of :attr:`feature_info`, and that of :attr:`auxiliary_info` or None."""
        maps, auxiliary = self.all_maps(x)
        return (maps if self._returned is None else [maps[index] for index in self._returned]), auxiliary

    def returning(self, out_indices: int | Sequence[int] | None) -> Self:
        """Chooses which of its maps the supernet returns. Names and tensors of ``state_dict`` stay the same.

        All maps are computed, also those behind the deepest one that is chosen: with those left out of the loss,
        distributed training needs ``find_unused_parameters``.

        Args:
            out_indices: Indices of the maps that it returned before; negative ones count from the end. A number: so many of
                the last. None changes nothing.

        Returns:
            The supernet itself.

        Raises:
            ValueError: If a map does not exist, or none is chosen.
            TypeError: If its class overrides :meth:`forward_auxiliary` instead of :meth:`all_maps`.
        """
        if out_indices is not None:
            if type(self).forward_auxiliary is not Supernet.forward_auxiliary:
                raise TypeError(
                    f"{type(self).__name__} computes its maps in forward_auxiliary: it must do so in all_maps"
                )
            self.feature_info = self.feature_info.select(out_indices)
            self._returned = self.feature_info.out_indices
        return self

    def option_weights(self) -> Mapping[str, OptionWeights]:
        """Weights of the options for one forward pass: of the active path if there is one, else relaxed logits."""
        if self._given is not None:
            return self._given
        if self._path is None:
            return self.relaxation(self.decision_logits())
        return {name: one_path(self.logits[name], active) for name, active in self._path.items()}

    def decision_logits(self) -> dict[str, Tensor]:
        """The logits that decide: those of the parameters, or what a space makes of them in :meth:`guide`."""
        return self.guide({name: self.logits[name] for name in self.logits})

    def guide(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a space makes of its logits before they are relaxed or decoded: nothing, if it does not say otherwise."""
        return logits

    @property
    def form(self) -> Form:
        """How mixed operations are computed, see :meth:`set_form`."""
        return next((module.form for module in self.modules() if isinstance(module, Mixing)), "textbook")

    def set_form(self, form: Form) -> None:
        """Chooses between two ways of computing the same modules. Without :class:`Mixing` cells there is the textbook's alone.

        Args:
            form: ``"fused"``: fast and lean, differentiable once. ``"textbook"``: every candidate by itself, as the formulas
                are written; needed for exact second derivatives (``create_graph=True``).

        Raises:
            ArgumentError: If there is no such form.
        """
        cells = [module for module in self.modules() if isinstance(module, Mixing)]
        if form not in get_args(Form):
            raise ArgumentError(f"form must be 'fused' or 'textbook', got {form!r}")
        if form != "textbook" and not cells:
            raise ArgumentError(f"form must be 'textbook' for {type(self).__name__}, got {form!r}")
        for cell in cells:
            cell.form = form

    def laid_out(self, images: Tensor) -> Tensor:
        """The images, ``(B, in_channels, H, W)``, in the memory layout that the form computes in."""
        return images.contiguous(memory_format=torch.channels_last) if self.form == "fused" else images

    def activate(self, choices: Choices | None) -> None:
        """Makes forward compute one architecture only, with weight 1 for its options; None mixes all again.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        self._path = None if choices is None else self.path(choices)

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The options that an architecture uses on every edge, per group."""
        raise NotImplementedError

    def placements(self, height: int, width: int) -> dict[str, list[Placement]] | None:
        """For an image of that size: per group of logits the placement of every edge; None if a space does not say."""
        return None

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """Where the found network's modules lie in this supernet: module name there -> module name here.

        Modules that have the same name in both need no entry. Used to initialise a found network with trained weights.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        return {}

    def held(self, choices: Choices, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the supernet has learnt for the tensors of a found network.

        Args:
            choices: The architecture.
            like: Tensors of the found network by name, as in its ``state_dict``; only their shapes matter.

        Returns:
            The supernet's tensor for each name that it has one for: its own, where that has the shape, as a rule.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        sources, theirs = self.module_sources(choices), self.state_dict()
        found = {}
        for name, tensor in like.items():
            source = source_name(name, sources)
            if source not in theirs:
                continue
            found[name] = theirs[source]
            if name.endswith(".norm.running_mean") and theirs[source].shape == tensor.shape:
                # A bias that only the supernet has is part of its mean, and is not added here any more.
                bias = theirs.get(source.replace(".norm.running_mean", ".conv.bias"))
                if bias is not None and name.replace(".norm.running_mean", ".conv.bias") not in like:
                    found[name] = theirs[source] - bias
        return found

    def cut(self, choices: Choices) -> dict[str, Tensor]:
        """The ``state_dict`` of ``space.network(choices)`` with what the supernet has learnt: it computes the active path.

        Where the supernet's BatchNorm has no scale and shift, the network's are 1 and 0. (Poolings that a supernet
        normalises and a found network does not remain different.)

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        with torch.random.fork_rng(devices=[]):
            plain = self.space.network(choices, inputs=self.inputs).state_dict()
        held = {name: tensor for name, tensor in self.held(choices, plain).items() if tensor.shape == plain[name].shape}
        return {name: held.get(name, tensor).detach().clone() for name, tensor in plain.items()}

    def weights(self) -> dict[str, nn.Parameter]:
        """All parameters that are not logits, by name."""
        return {name: p for name, p in self.named_parameters() if not name.startswith(("logits.", "edge_logits."))}


def source_name(name: str, sources: Mapping[str, str]) -> str:
    """A tensor's name in the supernet: the longest module that is mapped decides.

    Example:
        >>> source_name("cell.0.conv.weight", {"cell.0": "cells.0.candidates.2"})
        'cells.0.candidates.2.conv.weight'
    """
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        if module in sources:
            return ".".join([sources[module], *parts[end:]])
    return name


@contextlib.contextmanager
def textbook_form(model: nn.Module) -> Iterator[None]:
    """All supernets in a model compute in their textbook form inside."""
    supernets = [module for module in model.modules() if isinstance(module, Supernet)]
    before = [supernet.form for supernet in supernets]
    try:
        for supernet in supernets:
            supernet.set_form("textbook")
        yield
    finally:
        for supernet, form in zip(supernets, before, strict=True):
            supernet.set_form(form)


def find_supernets(model: nn.Module) -> list[Supernet]:
    """The supernets in a model, without those that are parts of another one and lend it their logits."""
    found: list[Supernet] = []
    _find(model, found, set())
    if len(found) == 1:
        return found
    parts = {id(part) for module in found for part in module.modules() if part is not module}
    return [module for module in found if id(module) not in parts]


def _find(module: nn.Module, found: list[Supernet], seen: set[int]) -> None:
    """Does not look into supernets, which consist of thousands of modules: callbacks ask before every batch."""
    if id(module) in seen:
        return
    seen.add(id(module))
    if isinstance(module, Supernet):
        found.append(module)
        return
    for child in module.children():
        _find(child, found, seen)

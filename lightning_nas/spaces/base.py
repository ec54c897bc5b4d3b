"""What a search space is: named decisions, and the networks that follow from them.

To add a space: a frozen dataclass that derives from :class:`SearchSpace`, in a folder here (or in your own package), with a
``name``. Its fields are its arguments: they are stored in ``architecture.json`` and rebuild it. Its networks say that they
are its: ``class MyNetwork(FoundNetwork, space=MySpace)``, ``class MySupernet(Supernet, space=MySpace)``.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_nas.architecture import Architecture, Choices, Component, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.decisions import Decisions
from lightning_nas.spaces.features import Backbone, FeatureInfo
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.pictures.picture import Picture, Probabilities, names_of_edges, picture_of_decisions
from lightning_nas.spaces.supernet import Supernet

SPACES: dict[str, type[SearchSpace]] = {}
"""All spaces by name."""


@dataclasses.dataclass(frozen=True)
class SearchSpace(Decisions):
    """Decisions, and the networks that follow from them.

    Attributes:
        role: The component that an architecture of this space is, e.g. ``"backbone"`` or ``"neck"``.
        levels_follow_choices: Whether the maps that a found network returns depend on its choices. If so, those of the
            supernet are others, and nothing that is searched together with it can read them.
        channels_follow_choices: Whether their channels do, and nothing else: those of the supernet have most channels, of
            which the last are zeros in a narrower network, so that other parts can read them.
        found_network: Builds the fixed networks: the class that was defined with ``space=`` this one.
        mixed_network: The same for the supernet; None if there is none.

    Example:
        >>> import random
        >>> from lightning_nas.spaces import NasBench201
        >>> space = NasBench201()
        >>> choices = space.sample(random.Random(0))
        >>> space.from_text(space.to_text(choices)) == choices, space.size()
        (True, 15625)
    """

    role: ClassVar[str] = "backbone"
    levels_follow_choices: ClassVar[bool] = False
    channels_follow_choices: ClassVar[bool] = False
    found_network: ClassVar[type[FoundNetwork] | None] = None
    mixed_network: ClassVar[type[Supernet] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            known = SPACES.get(cls.name)
            if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ArgumentError(
                    f"search space {cls.name!r} is already defined by {known.__module__}.{known.__name__}"
                )
            SPACES[cls.name] = cls

    def named_parts(self) -> dict[str, SearchSpace]:
        """The spaces that this one is made of, by name; itself, by its role, if it is not made of several."""
        return {self.role: self}

    # ---- networks -----------------------------------------------------------------------------------------------

    @property
    def has_supernet(self) -> bool:
        """Whether one network can hold all architectures. If not, every candidate must be trained by itself."""
        return self.mixed_network is not None or type(self).supernet is not SearchSpace.supernet

    @property
    def mixes(self) -> bool:
        """Whether the supernet mixes its options by logits, so that gradients can search them. If not, it has paths only."""
        return self.has_supernet

    def network(self, choices: Choices, *, inputs: FeatureInfo | None = None) -> Backbone:
        """The fixed network of an architecture.

        Args:
            choices: One option per active decision.
            inputs: The feature maps it is fed with, for spaces of necks and heads; None for an image.

        Raises:
            ArchitectureError: If the choices do not belong to the space.
            TypeError: If no network was defined for the space, see :class:`~lightning_nas.spaces.found.FoundNetwork`.
        """
        self.validate(choices)
        if self.found_network is None:
            raise TypeError(
                f"space {self.name!r} has no network: define `class ...(FoundNetwork, space={type(self).__name__})` in a "
                "file that is imported with the space"
            )
        return self.found_network.of(self, choices, inputs)

    def supernet(
        self,
        *,
        inputs: FeatureInfo | None = None,
        generator: torch.Generator | None = None,
        out_indices: int | Sequence[int] | None = None,
    ) -> Supernet:
        """The network that holds all of them.

        Args:
            inputs: The feature maps it is fed with, for spaces of necks and heads; None for an image.
            generator: Draws the initial logits.
            out_indices: Which of its maps it returns, e.g. ``(1, 2, 3, 4)``; all if None, see :meth:`Supernet.returning`.

        Raises:
            ValueError: If the space has none, see :attr:`has_supernet`.
        """
        supernet = self._mixed().of(self, inputs, generator).returning(out_indices)
        supernet.space, supernet.inputs = self, inputs
        return supernet

    def decode(self, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture that the logits point to, by the space's own rule.

        Raises:
            ValueError: If the space has no supernet, see :attr:`has_supernet`.
        """
        return self._mixed().decode(self, logits)

    def decode_strengths(self, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture that strengths of the options point to, see :meth:`Supernet.decode_strengths`."""
        return self._mixed().decode_strengths(self, strengths)

    @property
    def published_weights(self) -> str | None:
        """Name of the network whose published weights the space can start from; None if there is none."""
        return None

    def largest(self) -> dict[str, Option]:
        """The choices of the largest network.

        Raises:
            ArgumentError: If the networks of the space have no order of size.
        """
        raise ArgumentError(f"space {self.name!r} has no largest network: its options have no order of size")

    def smallest(self) -> dict[str, Option]:
        """The choices of the smallest network.

        Raises:
            ArgumentError: If the networks of the space have no order of size.
        """
        raise ArgumentError(f"space {self.name!r} has no smallest network: its options have no order of size")

    def _mixed(self) -> type[Supernet]:
        if self.mixed_network is None:
            raise ArgumentError(
                f"space {self.name!r} has no supernet: search it with a strategy that trains every candidate by itself, "
                "e.g. strategy=random"
            )
        return self.mixed_network

    # ---- what follows from it -----------------------------------------------------------------------------------

    @property
    def args(self) -> dict[str, Any]:
        """The arguments that rebuild this space, as JSON values."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def architecture(self, choices: Choices, provenance: Mapping[str, Any] | None = None) -> Architecture:
        """The record of one architecture of this space.

        Raises:
            ArchitectureError: If the choices do not belong to the space.
        """
        self.validate(choices)
        ordered = {name: choices[name] for name in self.decisions if name in choices}
        return Architecture({self.role: Component(self.name, self.args, ordered)}, provenance or {})

    def published_choices(self) -> dict[str, Option]:
        """What its paper found, where that fits this space; nothing for a space without decisions.

        Raises:
            ArgumentError: If nothing is known.
        """
        if self.decisions:
            raise ArgumentError(f"space {self.name!r} knows no published architecture")
        return {}

    def family(self) -> dict[str, Architecture]:
        """Networks that one would take without a search, by name: a comparison shows them beside what was found.

        Here there are none; a space around a well-known network has that one and its usual sizes.
        """
        return {}

    def defect(self, choices: Choices) -> str | None:
        """Why an architecture cannot learn, where its decisions alone show it; None: nothing is known against it.

        Such architectures belong to the space and may be evaluated, but a comparison with them would flatter whatever was
        found.
        """
        return None

    def sample_sound(self, rng: random.Random) -> dict[str, Option]:
        """Draws as :meth:`sample` until nothing is known against the architecture (:meth:`defect`).

        Raises:
            ValueError: If there is a defect in all of 1,000 draws.
        """
        for _ in range(1000):
            choices = self.sample(rng)
            defect = self.defect(choices)
            if defect is None:
                return choices
        raise ArgumentError(
            f"space {self.name!r}: none of 1,000 random architectures can learn; the last one: {defect}"
        )

    # ---- pictures -----------------------------------------------------------------------------------------------

    def pictures(
        self, choices: Choices, probabilities: Probabilities | None = None, *, part: str = ""
    ) -> list[Picture]:
        """Pictures of an architecture, for a report. Here they follow from the decisions alone.

        Args:
            choices: The architecture.
            probabilities: Of the logits' options at the end of the search, where there was one.
            part: What the component is called in the record; the role if empty.
        """
        if not self.decisions:
            return []
        return [picture_of_decisions(self.name, f"{part or self.role}: {self.name}", self.decisions, choices)]

    def option_names(self, group: str) -> tuple[str, ...]:
        """Names of the options of a group of logits; here of the operations."""
        return tuple(str(name) for name in getattr(self, "ops", ()))

    def edge_names(self, group: str) -> list[str]:
        """A label per edge of a group of logits; of another number than there are edges if they have no names."""
        return names_of_edges(self.decisions, group)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value

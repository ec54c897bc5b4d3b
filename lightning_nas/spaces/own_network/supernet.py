"""The elastic network: a user's own network whose forward computes the active part of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

from torch import Tensor, nn

from lightning_nas.architecture import Architecture, Choices
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.features import FeatureInfo
from lightning_nas.spaces.own_network.groups import ChannelGroup
from lightning_nas.spaces.own_network.narrow import Narrowed, Skipped, install, uninstall
from lightning_nas.spaces.own_network.selection import cut, parts_of
from lightning_nas.spaces.own_network.space import OwnNetwork
from lightning_nas.spaces.supernet import Supernet


class ElasticModel(Supernet, space=OwnNetwork):
    """A network of which a part may be active; :func:`lightning_nas.elastic` makes it.

    It takes and returns what the network does. Weights are those of the network, shared by all parts: the layers of the active
    part select their rows and columns in every call. Which channels a width keeps was decided by the sum of squares of
    their weights when it was made, and is in the ``state_dict`` (``order_<group>``).

    Args:
        model: The network.
        space: Its decisions.
        groups: Its groups of channels, in the order of the space.
        orders: Their units, most important first.
        fixed: Layers whose widths stay, with the reason.

    Attributes:
        model: The network itself, with its own names. While a part is active, its layers compute that part.
        space: The decisions.
        fixed: Layers whose widths could not be made elastic -> why.
    """

    def __init__(
        self,
        model: nn.Module,
        space: OwnNetwork,
        groups: Sequence[ChannelGroup],
        orders: Sequence[Tensor],
        fixed: dict[str, str],
    ) -> None:
        super().__init__({})
        self.model = model
        self.space = space
        self.fixed = fixed
        self.groups = {f"{group.name}.width": group for group in groups}
        for index, order in enumerate(orders):
            self.register_buffer(f"order_{index}", order)
        self._active: dict[str, Any] | None = None
        self._gone: dict[tuple[str, int], list[Tensor]] = {}
        self.register_load_state_dict_post_hook(_forget)
        space.bind(self)
        if hasattr(model, "feature_info"):
            self.feature_info = cast(FeatureInfo, model.feature_info)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network takes -> what it returns, computed by the active part of it."""
        return self.model(*args, **kwargs)

    def activate(self, choices: Choices | None) -> None:
        """Makes forward compute one architecture; None: the network as it was given, without any change to it.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        if choices is not None:
            self.space.validate(choices)
        for module in self.model.modules():
            uninstall(module)
        self._active = None if choices is None else dict(choices)
        if choices is None:
            return
        skipped = self._skipped(choices)
        for name in skipped:
            module = self.model.get_submodule(name)
            install(module, Skipped(module))
        for name, part in parts_of(self.model, self._positions(choices)).items():
            if name not in skipped:
                module = self.model.get_submodule(name)
                install(module, Narrowed(module, part))

    def network(self, choices: Choices | Architecture) -> Any:
        """A plain copy of the network, cut to an architecture, with its weights; it knows nothing of a search.

        Args:
            choices: The architecture, or the record of one.

        Raises:
            ArchitectureError: If it is not an architecture of the space.
        """
        if isinstance(choices, Architecture):
            choices = self._choices(choices)
        self.space.validate(choices)
        network = self.copied().model
        cut(network, parts_of(self.model, self._positions(choices)), self._skipped(choices))
        return network

    def cut(self, choices: Choices) -> dict[str, Tensor]:
        """The ``state_dict`` of :meth:`network`.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        state: dict[str, Tensor] = self.network(choices).state_dict()
        return state

    def held(self, choices: Choices, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What this network holds for a plain one of an architecture, by the plain one's names.

        Args:
            choices: The architecture.
            like: Tensors of the plain network.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        return {name: tensor for name, tensor in self.cut(choices).items() if name in like}

    def copied(self) -> Self:
        """A copy, weights and all, with nothing active."""
        before = self._active
        self.activate(None)
        twin = copy.deepcopy(self)
        self.activate(before)
        return twin

    def _choices(self, architecture: Architecture) -> Choices:
        """The choices of a record of this network.

        Raises:
            ArchitectureError: If it is a record of another one.
        """
        component = architecture.components.get(self.space.role)
        if component is None or component.space != self.space.name:
            raise ArchitectureError(
                f"architecture: its components are {sorted(architecture.components)}; expected one that was found in a network "
                f"of one's own: {self.space.role!r} of the space {self.space.name!r}"
            )
        theirs = OwnNetwork(**component.space_args)
        for argument, mine in self.space.args.items():
            if getattr(theirs, argument) != getattr(self.space, argument):
                raise ArchitectureError(
                    f"architecture: it was found in another network, or one made elastic with other arguments: its {argument} "
                    f"are {theirs.args[argument]!r}, here {mine!r}"
                )
        return component.choices

    def _positions(self, choices: Choices) -> list[tuple[ChannelGroup, list[Tensor]]]:
        """What is gone of every group that is narrower than it can be."""
        result = []
        for index, (decision, group) in enumerate(self.groups.items()):
            channels = choices.get(decision)
            if channels is not None and channels != self.space.options(decision, {})[-1]:
                key = (decision, int(channels))
                if key not in self._gone:
                    self._gone[key] = group.gone(self.get_buffer(f"order_{index}").cpu(), int(channels))
                result.append((group, self._gone[key]))
        return result

    def _skipped(self, choices: Choices) -> list[str]:
        return [block for block in self.space.blocks if choices.get(f"{block}.keep") == 0]


def _forget(model: ElasticModel, incompatible: Any) -> None:
    """Other weights come with another order of their channels."""
    model._gone = {}
    model.activate(model._active)

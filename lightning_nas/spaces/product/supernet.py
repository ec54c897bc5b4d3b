"""Supernets of the parts of a product, in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.features import Backbone, FeatureInfo
from lightning_nas.spaces.option_weights import Mixed, Paths
from lightning_nas.spaces.pieces import Pieces
from lightning_nas.spaces.product.network import _described, _run, handed_on
from lightning_nas.spaces.product.parts import within
from lightning_nas.spaces.product.space import Product
from lightning_nas.spaces.supernet import Supernet


class ProductSupernet(Supernet, space=Product):
    """Supernets in a row. Their logits lie here, as ``part/group``, and the relaxation is asked once for all."""

    @classmethod
    def of(cls, space: Product, inputs: FeatureInfo | None, generator: torch.Generator | None) -> ProductSupernet:
        """The supernets of the free parts and the networks of the fixed ones."""
        return cls(space, inputs, generator)

    def __init__(self, space: Product, inputs: FeatureInfo | None, generator: torch.Generator | None) -> None:
        super().__init__({}, generator)
        self.space = space
        generator = generator or torch.Generator().manual_seed(0)
        modules: dict[str, Backbone] = {}
        for part, own in space.spaces.items():
            if part in space.free:
                supernet = own.supernet(inputs=inputs, generator=generator)
                for group in supernet.logits:
                    self.logits[f"{part}/{group}"] = supernet.logits[group]
                supernet.logits = nn.ParameterDict()  # a parameter has one owner
                modules[part] = supernet
            else:
                modules[part] = own.network(space.fixed_choices[part], inputs=inputs)
            inputs = handed_on(modules[part])
        self.parts = nn.ModuleDict(modules)
        self.feature_info, self.auxiliary_info, self.role = _described(modules)

    def named_parts(self) -> dict[str, Backbone]:
        """The supernets of the free parts and the networks of the fixed ones, by name."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Backbone)}

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """What the first part reads -> the maps of the last part, the auxiliary map of the backbone."""
        weights = self.option_weights()
        for part in self.space.free:
            own = {name.removeprefix(f"{part}/"): w for name, w in weights.items() if name.startswith(f"{part}/")}
            self._part(part)._given = own
        return _run(list(self.parts.values()), x)

    def guide(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every part guides its own logits."""
        guided: dict[str, Tensor] = {}
        for part in self.space.free:
            own = {name.removeprefix(f"{part}/"): g for name, g in logits.items() if name.startswith(f"{part}/")}
            guided |= {f"{part}/{name}": group for name, group in self._part(part).guide(own).items()}
        return guided

    @staticmethod
    def decode(space: Product, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """Every free part decodes its own logits."""
        choices: dict[str, Option] = {}
        for part, single in space.free.items():
            own = {name.removeprefix(f"{part}/"): g for name, g in logits.items() if name.startswith(f"{part}/")}
            choices |= {f"{part}/{name}": option for name, option in single.decode(own).items()}
        return choices

    @classmethod
    def decode_strengths(cls, space: Product, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """Every free part decodes its own strengths."""
        choices: dict[str, Option] = {}
        for part, single in space.free.items():
            own = {name.removeprefix(f"{part}/"): s for name, s in strengths.items() if name.startswith(f"{part}/")}
            choices |= {f"{part}/{name}": option for name, option in single.decode_strengths(own).items()}
        return choices

    def edges_kept(self) -> dict[str, int]:
        """Those of the free parts."""
        return {
            f"{part}/{group}": kept for part in self.space.free for group, kept in self._part(part).edges_kept().items()
        }

    def nodes(self) -> dict[str, tuple[range, ...]]:
        """Those of the free parts."""
        return {
            f"{part}/{group}": nodes for part in self.space.free for group, nodes in self._part(part).nodes().items()
        }

    def mixed(self) -> list[Mixed]:
        """Those of the free parts; none if one of them does not say."""
        if not all(self._part(part).mixed() for part in self.space.free):
            return []
        return [_mixed_of_part(part, one) for part in self.space.free for one in self._part(part).mixed()]

    def priced(self) -> list[Mixed | Pieces]:
        """That of the free parts; nothing if one of them does not say."""
        if not all(self._part(part).priced() for part in self.space.free):
            return []
        return [
            _mixed_of_part(part, one)
            if isinstance(one, Mixed)
            else Pieces(one.pieces, partial(_of_part, part=part, what=one.counts))
            for part in self.space.free
            for one in self._part(part).priced()
        ]

    def activate(self, choices: Choices | None) -> None:
        """Makes every free part compute its part of an architecture; None: as :meth:`Supernet.activate`.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        super().activate(choices)
        for part in self.space.free:
            self._part(part).activate(None if choices is None else within(part, choices))

    def held(self, choices: Choices, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the parts have learnt, of free parts by their own rules and of fixed ones as it is."""
        found: dict[str, Tensor] = {}
        for part, module in self.parts.items():
            prefix = f"parts.{part}."
            own = {name.removeprefix(prefix): t for name, t in like.items() if name.startswith(prefix)}
            if part in self.space.free:
                held = self._part(part).held(within(part, choices), own)
            else:
                held = {name: tensor for name, tensor in module.state_dict().items() if name in own}
            found |= {f"{prefix}{name}": tensor for name, tensor in held.items()}
        return found

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The paths of the parts."""
        self.space.validate(choices)
        return {
            f"{part}/{group}": path
            for part in self.space.free
            for group, path in self._part(part).path(within(part, choices)).items()
        }

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """Where the modules of the found parts lie in the supernets of the parts."""
        return {
            f"parts.{part}.{found}": f"parts.{part}.{source}"
            for part in self.space.free
            for found, source in self._part(part).module_sources(within(part, choices)).items()
        }

    def _part(self, name: str) -> Supernet:
        part = self.parts[name]
        assert isinstance(part, Supernet)
        return part


def _mixed_of_part(part: str, one: Mixed) -> Mixed:
    """A mixed operation of a part, with the names that its logits have in the product."""
    reach = one.reach and partial(_of_part, part=part, what=one.reach)
    return Mixed(one.module, f"{part}/{one.group}", one.row, reach)


def _of_part(
    probabilities: Mapping[str, Tensor], *, part: str, what: Callable[[Mapping[str, Tensor]], Tensor]
) -> Tensor:
    """What a part makes of the probabilities of its own groups."""
    return what({name.removeprefix(f"{part}/"): p for name, p in probabilities.items() if name.startswith(f"{part}/")})

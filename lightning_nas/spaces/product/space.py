"""Products of search spaces: backbone, neck and head searched together, or some of them fixed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from lightning_nas.architecture import Architecture, Choices, Component, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.product.parts import ROLES, part_order, within

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Product(SearchSpace):
    """Named parts, one after the other: the first reads the image, every other one the maps of the part before it.

    A part of the role ``image`` gives the image in another size to the backbone.

    The decisions of a part have its name in front: ``backbone/normal.2.op0``. A fixed part has no decisions, and a part
    without decisions is fixed.

    Args:
        parts: Name -> space, in the order of the data: by role (image, backbone, neck, head), then by name.
        fixed: Name -> choices of the parts that are not searched.

    Raises:
        ValueError: If a part is not a space, out of order, or a second image or backbone, or a fixed part does not exist.
        ArchitectureError: If the choices of a fixed part do not belong to its space.

    Example:
        >>> from lightning_nas.spaces import Chain, Fpn
        >>> space = Product({"backbone": Chain(), "neck": Fpn(channels=64)})
        >>> space.decisions[0].partition("/")[0], len(space.decisions) == len(Chain().decisions)
        ('backbone', True)
    """

    name: ClassVar[str] = "product"

    parts: Mapping[str, SearchSpace] | Sequence[tuple[str, SearchSpace]]
    fixed: Mapping[str, Choices] | Sequence[tuple[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.parts, Mapping | Sequence) or not isinstance(self.fixed, Mapping | Sequence):
            raise ArgumentError(f"parts and fixed must be mappings, got {self.parts!r} and {self.fixed!r}")
        parts, fixed = dict(self.parts), {name: dict(choices) for name, choices in dict(self.fixed).items()}
        if not parts:
            raise ArgumentError("parts must hold at least one search space, got none")
        for name, space in parts.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ArgumentError(f"parts: names must match {_NAME.pattern}, got {name!r}")
            if not isinstance(space, SearchSpace) or isinstance(space, Product):
                raise ArgumentError(f"parts[{name!r}] must be a search space and not itself a product, got {space!r}")
        ordered = sorted(parts, key=lambda name: part_order(name, parts[name]))
        if list(parts) != ordered:
            raise ArgumentError(
                f"parts must be in the order of their roles {ROLES}, then names: {ordered}, got {[*parts]}"
            )
        roles = [space.role for space in parts.values()]
        if roles.count("backbone") > 1:
            raise ArgumentError(f"parts: only the first one can read the image as a backbone, got the roles {roles}")
        if roles.count("image") > 1:
            raise ArgumentError(f"parts: only one can give the image another size, got the roles {roles}")
        for name, space in [*parts.items()][:-1]:
            if space.levels_follow_choices:
                raise ArgumentError(f"parts[{name!r}]: nothing can read its maps, whose strides depend on its choices")
        for name, space in parts.items():
            if not space.decisions:
                fixed.setdefault(name, {})
        for name, choices in fixed.items():
            if name not in parts:
                raise ArgumentError(f"fixed: there is no part {name!r}; there are {sorted(parts)}")
            parts[name].validate(choices)
        object.__setattr__(self, "parts", tuple(parts.items()))  # tuples, so that the space can be hashed
        object.__setattr__(self, "fixed", tuple((name, tuple(choices.items())) for name, choices in fixed.items()))

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def spaces(self) -> dict[str, SearchSpace]:
        """All parts by name, in order."""
        return dict(self.parts)

    def named_parts(self) -> dict[str, SearchSpace]:
        """All parts by name, in order."""
        return dict(self.spaces)

    @cached_property
    def fixed_choices(self) -> dict[str, dict[str, Option]]:
        """The choices of the fixed parts."""
        return {name: dict(choices) for name, choices in dict(self.fixed).items()}

    @cached_property
    def free(self) -> dict[str, SearchSpace]:
        """The parts that are searched."""
        return {name: space for name, space in self.spaces.items() if name not in self.fixed_choices}

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """The decisions of the free parts."""
        return tuple(f"{part}/{name}" for part, space in self.free.items() for name in space.decisions)

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The options that the part gives, which depend on its own decisions only."""
        part, _, decision = name.partition("/")
        return self.free[part].options(decision, within(part, choices))

    def all_options(self, name: str) -> Sequence[Option]:
        """Every option that a decision can have."""
        part, _, decision = name.partition("/")
        return self.free[part].all_options(decision)

    def size(self) -> int:
        """The product of the sizes of the free parts."""
        return math.prod(space.size() for space in self.free.values())

    def part_choices(self, choices: Choices) -> dict[str, dict[str, Option]]:
        """The choices of every part, fixed ones included, in the part's own names."""
        return {part: self.fixed_choices.get(part, within(part, choices)) for part in self.spaces}

    def defect(self, choices: Choices) -> str | None:
        """That of the first part that has one."""
        own = self.part_choices(choices)
        found = ((part, space.defect(own[part])) for part, space in self.spaces.items())
        return next((f"{part}: {defect}" for part, defect in found if defect is not None), None)

    @property
    def channels_follow_choices(self) -> bool:  # type: ignore[override]
        """Whether a part that is searched says so of its maps."""
        return any(space.channels_follow_choices for space in self.free.values())

    @property
    def args(self) -> dict[str, Any]:
        """What the parts are, as JSON values. A product is rebuilt from its parts' records, not from this."""
        parts = {part: {"space": space.name, "space_args": space.args} for part, space in self.spaces.items()}
        return {"parts": parts, "fixed": self.fixed_choices}

    @property
    def has_supernet(self) -> bool:
        """Whether every part that is searched has one."""
        return all(space.has_supernet for space in self.free.values())

    @property
    def mixes(self) -> bool:
        """Whether every part that is searched mixes its options."""
        return all(space.mixes for space in self.free.values())

    @property
    def published_weights(self) -> str | None:
        """That of the first part that has one."""
        return next((space.published_weights for space in self.spaces.values() if space.published_weights), None)

    def largest(self) -> dict[str, Option]:
        """Those of the free parts.

        Raises:
            ArgumentError: If a part has none.
        """
        return {f"{part}/{name}": o for part, space in self.free.items() for name, o in space.largest().items()}

    def smallest(self) -> dict[str, Option]:
        """Those of the free parts.

        Raises:
            ArgumentError: If a part has none.
        """
        return {f"{part}/{name}": o for part, space in self.free.items() for name, o in space.smallest().items()}

    def architecture(self, choices: Choices, provenance: Mapping[str, Any] | None = None) -> Architecture:
        """The record of one architecture: one component per part, fixed ones included."""
        self.validate(choices)
        components: dict[str, Component] = {}
        for part, own in self.part_choices(choices).items():
            components[part] = next(iter(self.spaces[part].architecture(own).components.values()))
        return Architecture(components, provenance or {})

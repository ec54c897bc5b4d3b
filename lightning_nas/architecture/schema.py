"""The architecture record: the value that passes between search, training, plug-in and report."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lightning_nas.architecture.io import read_text, write_atomic
from lightning_nas.architecture.text_files import parse_json
from lightning_nas.errors import ArchitectureError, MissingFileError

Option = str | int
"""One way to take a decision. Text or a whole number, so that it survives JSON unchanged."""

Choices = Mapping[str, Option]
"""Decision name -> the option taken."""

FORMAT = 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Component:
    """One searched (or fixed) part of a network: a point of a search space.

    Args:
        space: Name of the search space, e.g. ``"darts"``. A name, never an import path.
        space_args: Arguments that rebuild the space; JSON values.
        choices: The option taken for every decision of the space.

    Raises:
        ArchitectureError: If a field is of the wrong type.
    """

    space: str
    space_args: Mapping[str, Any]
    choices: Choices

    def __post_init__(self) -> None:
        if not isinstance(self.space, str) or not _NAME.fullmatch(self.space):
            raise ArchitectureError(f"space must be a name like 'darts' ({_NAME.pattern}), got {self.space!r}")
        for name in ("space_args", "choices"):
            if not isinstance(getattr(self, name), Mapping):
                raise ArchitectureError(f"{name} must be a mapping, got {getattr(self, name)!r}")
        for name, option in self.choices.items():
            if isinstance(option, bool) or not isinstance(option, str | int):
                raise ArchitectureError(f"choices[{name!r}] must be a text or a whole number, got {option!r}")
        object.__setattr__(self, "space_args", _freeze(self.space_args, "space_args"))
        object.__setattr__(self, "choices", _freeze(self.choices, "choices"))

    def __reduce__(self) -> tuple[Any, ...]:  # mapping proxies neither pickle nor deep-copy
        return Component, (self.space, _thaw(self.space_args), _thaw(self.choices))

    def __hash__(self) -> int:
        return hash(_canonical(self.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, choices in the order of the space's decisions."""
        return {"space": self.space, "space_args": _thaw(self.space_args), "choices": _thaw(self.choices)}


@dataclass(frozen=True)
class Architecture:
    """A network's architecture: named components (backbone, neck, ...) and where they came from.

    Two architectures are equal when their components are; provenance (which search, when, how good) is not compared
    and not hashed.

    Args:
        components: Name of the part -> its :class:`Component`.
        provenance: Free JSON notes about the origin.

    Raises:
        ArchitectureError: If a field is malformed.

    Example:
        >>> part = Component("toy", {"width": 8}, {"op": "conv"})
        >>> architecture = Architecture({"backbone": part})
        >>> Architecture.from_json(architecture.to_json()) == architecture
        True
    """

    components: Mapping[str, Component]
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.components, Mapping) or not self.components:
            raise ArchitectureError(f"components must be a non-empty mapping, got {self.components!r}")
        for name, component in self.components.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ArchitectureError(f"component names must match {_NAME.pattern}, got {name!r}")
            if not isinstance(component, Component):
                raise ArchitectureError(f"components[{name!r}] must be a Component, got {component!r}")
        if not isinstance(self.provenance, Mapping):
            raise ArchitectureError(f"provenance must be a mapping, got {self.provenance!r}")
        object.__setattr__(self, "components", MappingProxyType(dict(self.components)))
        object.__setattr__(self, "provenance", _freeze(self.provenance, "provenance"))

    def __reduce__(self) -> tuple[Any, ...]:
        return Architecture, (dict(self.components), _thaw(self.provenance))

    def __hash__(self) -> int:
        return int(self.hash[:15], 16)

    @property
    def hash(self) -> str:
        """Stable hexadecimal SHA-256 of format and components: equal on every machine and Python version."""
        payload = {"format": FORMAT, "components": {name: part.to_dict() for name, part in self.components.items()}}
        return hashlib.sha256(_canonical(payload).encode()).hexdigest()

    def with_args(self, component: str = "backbone", /, **space_args: Any) -> Architecture:
        """The same choices in a space of other size, e.g. ``with_args(channels=36, cells=20)``.

        Raises:
            ArchitectureError: If there is no such component.
        """
        if component not in self.components:
            raise ArchitectureError(f"no component {component!r}; there are {sorted(self.components)}")
        part = self.components[component]
        resized = Component(part.space, {**part.space_args, **space_args}, part.choices)
        return Architecture({**self.components, component: resized}, self.provenance)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "format": FORMAT,
            "components": {name: part.to_dict() for name, part in self.components.items()},
            "provenance": _thaw(self.provenance),
        }

    def to_json(self) -> str:
        """Canonical JSON (sorted keys, one newline at the end): the same record gives the same bytes."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, data: Any) -> Architecture:
        """Checks plain values and builds the record.

        Raises:
            ArchitectureError: Naming the field, its value and what was expected.
        """
        if not isinstance(data, Mapping):
            raise ArchitectureError(f"an architecture is a JSON object, got {type(data).__name__}")
        if data.get("format") != FORMAT or isinstance(data.get("format"), bool):
            raise ArchitectureError(
                f"format must be {FORMAT} (this version reads no other), got {data.get('format')!r}"
            )
        _expect_keys(data, {"format", "components"}, {"provenance"}, "architecture")
        if not isinstance(data["components"], Mapping):
            raise ArchitectureError(f"components must be an object, got {data['components']!r}")
        components = {}
        for name, part in data["components"].items():
            if not isinstance(part, Mapping):
                raise ArchitectureError(f"components.{name} must be an object, got {part!r}")
            _expect_keys(part, {"space", "space_args", "choices"}, set(), f"components.{name}")
            components[name] = Component(part["space"], part["space_args"], part["choices"])
        return cls(components, data.get("provenance", {}))

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Reads :meth:`to_json`'s text. Data only: nothing in the text is imported or run.

        Raises:
            ArchitectureError: If the text is not JSON or not an architecture.
        """
        try:
            data = parse_json(text, parse_constant=_no_constant)
        except ArchitectureError:
            raise
        except ValueError as error:
            raise ArchitectureError(f"not valid JSON: {error}") from None
        try:
            return cls.from_dict(data)
        except RecursionError:
            raise ArchitectureError("nested too deeply for an architecture record") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the record as JSON: to a temporary file first, then renamed into place."""
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Architecture:
        """Reads a record from a file.

        Raises:
            FileNotFoundError: If there is no such file.
            ArchitectureError: If the file is not an architecture record.
        """
        try:
            return cls.from_json(read_text(path))
        except MissingFileError:
            raise
        except ValueError as error:
            raise ArchitectureError(f"{path}: {error}") from None


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _freeze(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ArchitectureError(f"{where} must have text keys, got {key!r}")
        return MappingProxyType({key: _freeze(item, f"{where}.{key}") for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_freeze(item, where) for item in value)
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ArchitectureError(f"{where} must hold JSON values (finite numbers, text, lists, objects), got {value!r}")


def _thaw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return [_thaw(item) for item in value] if isinstance(value, tuple) else value


def _expect_keys(data: Mapping[str, Any], required: set[str], optional: set[str], where: str) -> None:
    missing, unknown = required - set(data), set(data) - required - optional
    if missing or unknown:
        raise ArchitectureError(
            f"{where}: missing keys {sorted(missing)}, unknown keys {sorted(unknown)}; "
            f"expected {sorted(required)}" + (f" and optionally {sorted(optional)}" if optional else "")
        )


def _no_constant(name: str) -> None:
    raise ArchitectureError(f"{name} is not a JSON number")

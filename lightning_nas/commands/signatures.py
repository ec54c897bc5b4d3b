"""What a class or function of the library takes, read from its source: nothing is imported, so nothing takes time."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "lightning_nas"

KNOWN_MODULES = frozenset({"typing", "collections.abc", "pathlib"})
"""Modules that names in annotations are looked up in, beside the library's own source."""


@dataclass(frozen=True)
class Signature:
    """The arguments of a class or function.

    Args:
        names: Of all arguments.
        accepts_any: Whether others are taken, too.
        hints: The types of those that have one which is known.
    """

    names: tuple[str, ...]
    accepts_any: bool
    hints: Mapping[str, Any]


def static_signature(target: str) -> Signature | None:
    """The signature of ``lightning_nas.<module>.<name>``; None for others, and where source alone does not tell.

    Example:
        >>> static_signature("lightning_nas.tasks.detection.CocoDataModule").names[:2]
        ('root', 'train_split')
    """
    module, _, name = target.rpartition(".")
    found = _definition(module, name)
    while isinstance(found.node if found else None, ast.ClassDef):
        assert found is not None
        made = next((node for node in found.node.body if _is_function(node, "__init__")), None)
        if made is not None:
            return _signature(made, found.module, bound=True)
        if _is_dataclass(found.node):
            return _fields(found)
        found = _base(found)
    if found is None or not isinstance(found.node, ast.FunctionDef):
        return None
    return _signature(found.node, found.module, bound=False)


def _fields(found: _Definition) -> Signature:
    """The fields of a data class and of those that it is derived from."""
    names: dict[str, None] = {}
    hints: dict[str, Any] = {}
    own: _Definition | None = found
    lineage = []
    while own is not None and isinstance(own.node, ast.ClassDef):
        lineage.append(own)
        own = _base(own)
    for part in reversed(lineage):
        if _is_dataclass(part.node):
            fields = {
                node.target.id: node.annotation
                for node in part.node.body
                if isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and "ClassVar" not in ast.dump(node.annotation)
                and "init" not in _keywords(node.value)
            }
            names.update(dict.fromkeys(fields))
            hints.update(_types(fields, part.module))
    return Signature(tuple(names), False, hints)


def _base(found: _Definition) -> _Definition | None:
    base = found.node.bases[0] if found.node.bases else None
    return _definition(found.module, base.id) if isinstance(base, ast.Name) else None


def _keywords(node: ast.expr | None) -> list[str | None]:
    return [keyword.arg for keyword in node.keywords] if isinstance(node, ast.Call) else []


@dataclass(frozen=True)
class _Definition:
    """Where a name is given its meaning."""

    module: str
    node: Any


@cache
def _source(module: str) -> ast.Module | None:
    """The parsed source of a module of the library."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    spec = (
        find_spec(".".join(parts[:2])) if len(parts) > 1 else None
    )  # folders of a checkout lie elsewhere: not its __path__
    roots = [] if spec is None else [*(spec.submodule_search_locations or ())]
    files = [] if spec is None or len(parts) > 2 or not spec.origin else [Path(spec.origin)]
    for root in roots:
        place = Path(root, *parts[2:])
        files += [place.with_suffix(".py"), place / "__init__.py"]
    for file in files:
        if file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return None


def _definition(module: str, name: str) -> _Definition | None:
    """The class, function or value that a name means in a module, through all imports."""
    tree = _source(module)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return _Definition(module, node)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return _Definition(module, node.value)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    if node.module in KNOWN_MODULES:
                        return _Definition(node.module, alias.name)
                    return _definition(node.module, alias.name)
    return None


def _signature(node: ast.FunctionDef, module: str, *, bound: bool) -> Signature:
    arguments = node.args
    listed = [*arguments.posonlyargs, *arguments.args][1 if bound else 0 :] + arguments.kwonlyargs
    annotations = {entry.arg: entry.annotation for entry in listed if entry.annotation is not None}
    hints = dict(_types(annotations, module))
    return Signature(tuple(entry.arg for entry in listed), arguments.kwarg is not None, hints)


def _types(annotations: Mapping[str, ast.expr], module: str) -> Iterator[tuple[str, Any]]:
    for name, annotation in annotations.items():
        try:
            yield name, _evaluate(annotation, module)
        except (NameError, TypeError, AttributeError):
            continue  # a type of another package: checked once that is imported


def _evaluate(node: ast.expr, module: str) -> Any:
    code = compile(ast.Expression(node), module, "eval")
    return eval(code, {"__builtins__": {}}, _Names(module))


class _Names(dict[str, Any]):
    """What names mean in the annotations of a module."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __missing__(self, name: str) -> Any:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type):
            return kind
        found = _definition(self.module, name)
        if found is None or isinstance(found.node, ast.ClassDef | ast.FunctionDef):
            raise NameError(name)
        if isinstance(found.node, str):
            return getattr(import_module(found.module), found.node)
        return _evaluate(found.node, found.module)


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list)

"""No module of the library imports itself over others."""

from pathlib import Path

from imported_names import LIBRARY, ROOT, imports


def module_of(name: str, modules: dict[str, Path]) -> str | None:
    """The module of the library that a dotted name lies in; a package is its ``__init__``."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def circles(modules: dict[str, Path]) -> list[list[str]]:
    """Groups of modules each of which imports, over others, itself; imports of type hints and in functions count."""
    edges = {
        name: {module_of(other, modules) for other in imports(path)} - {None, name} for name, path in modules.items()
    }
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:  # Tarjan's algorithm
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other in sorted(edges[name]):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            start = stack.index(name)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for name in sorted(modules):
        if name not in number:
            visit(name)
    return found


def all_modules() -> dict[str, Path]:
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in LIBRARY.rglob("*.py")}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}


def test_no_module_imports_itself_over_others():
    assert circles(all_modules()) == []


def test_a_circle_would_be_noticed(tmp_path):
    a, b, c = (tmp_path / f"{name}.py" for name in "abc")
    a.write_text("from lightning_nas.b import B\n")
    b.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lightning_nas.a import A\n")
    c.write_text("import lightning_nas.a\n")
    modules = {"lightning_nas.a": a, "lightning_nas.b": b, "lightning_nas.c": c}
    assert circles(modules) == [["lightning_nas.a", "lightning_nas.b"]]
    b.write_text("")
    assert circles(modules) == []

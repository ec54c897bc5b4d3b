"""Nobody outside the strategies asks which strategy he has: families are dispatched on, and say what is asked of them."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "lightning_nas"
BASES = {"ArchitectureSampler", "GradientStrategy", "PathStrategy", "UniformPaths"}


def concrete():
    """Names of all strategies that are no base of a family."""
    tree = ast.parse((ROOT / "strategies" / "__init__.py").read_text())
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names} - BASES


def strategies_of(tree):
    """Those that code has imported from the strategies; a space may have the same name."""
    return concrete() & {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lightning_nas.strategies")
        for alias in node.names
    }


def named(node, known):
    """The strategies that an expression names, also as ``strategies.Enas``."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in known:
            yield part.id
        elif isinstance(part, ast.Attribute) and part.attr in concrete() and "strategies" in ast.unparse(part.value):
            yield part.attr


def questions(tree):
    """Where code asks, by ``isinstance``, ``issubclass``, a comparison of a type, or a pattern of ``match``."""
    known = strategies_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            sides = node.args[1:]
        elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node.left):
            sides = node.comparators
        elif isinstance(node, ast.MatchClass):
            sides = [node.cls]
        else:
            continue
        yield from ((name, node.lineno) for side in sides for name in named(side, known))


def test_nobody_outside_asks_for_a_concrete_strategy():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        if "strategies" not in path.relative_to(ROOT).parts
        for name, line in questions(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_rule_would_notice():
    assert {"Darts", "Enas", "Rsps", "SinglePath", "Bananas"} <= concrete()
    start = "from lightning_nas.strategies import Enas, GradientStrategy\n"
    for code in ("isinstance(s, Enas | int)", "issubclass(kind, strategies.Enas)", "type(s) is Enas"):
        assert [name for name, _ in questions(ast.parse(start + code))] == ["Enas"], code
    assert list(questions(ast.parse(f"{start}isinstance(s, GradientStrategy)"))) == []
    assert list(questions(ast.parse("from lightning_nas.spaces import Darts\nisinstance(s, Darts)"))) == []

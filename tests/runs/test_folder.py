"""One file spells the names in a run folder, one those in the folder of a sweep."""

import ast
from pathlib import Path

from lightning_nas.runs import ModelFolder, RunFolder, SweepFolder

LIBRARY = Path(__file__).resolve().parents[2] / "lightning_nas"
OWNERS = {"folder.py", "model.py", "sweep.py"}


def names(folder):
    """The last part of every path that a folder knows."""
    properties = [name for name, value in vars(type(folder)).items() if isinstance(value, property)]
    values = [getattr(folder, name) for name in properties]
    paths = [getattr(value, "path", value) for value in values if isinstance(getattr(value, "path", value), Path)]
    return {path.name for path in paths}


NAMES = set().union(*(names(kind("x")) for kind in (RunFolder, SweepFolder, ModelFolder)))
FILES = {name for name in NAMES if "." in name}
FOLDERS = NAMES - FILES


def docstrings(tree):
    """Ids of the nodes that are documentation."""
    found = set()
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                found.add(id(statement.value))
    return found


def spelled(source):
    """Names of files anywhere in the texts of a program; of folders where a path is put together."""
    quoted = {f"{mark}{name}{mark}" for name in FOLDERS for mark in ("'", '"')}
    if not any(name in source for name in FILES | quoted):  # most programs: reading them takes seconds
        return set()
    tree = ast.parse(source)
    documentation = docstrings(tree)
    texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    found = {name for node in texts if id(node) not in documentation for name in FILES if name in node.value}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            found |= {node.right.value} & FOLDERS
    return found


def test_the_names_are_known():
    assert {
        "last.ckpt",
        "history.jsonl",
        "summary.json",
        ".hydra",
        "overrides.yaml",
        "table.csv",
        "model.json",
        "model.onnx",
    } <= FILES
    assert {"checkpoints", "front", "evaluation", "pretrain", "errors"} <= FOLDERS


def test_a_spelled_name_is_noticed():
    assert spelled("def f(folder):\n    'Reads last.ckpt.'\n    return folder / 'checkpoints' / f'{x}/last.ckpt'") == {
        "checkpoints", "last.ckpt",
    }  # fmt: skip
    assert not spelled("checkpoints = 'how many checkpoints'")


def test_nobody_else_spells_them():
    for path in LIBRARY.rglob("*.py"):
        if path.parent.name == "runs" and path.name in OWNERS:
            continue
        assert not spelled(path.read_text(encoding="utf-8")), path

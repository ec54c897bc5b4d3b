"""Docstrings: every argument is described where it stands, every example runs, and public classes have one."""

import ast
import doctest
import functools
import importlib
import inspect
import linecache
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "lightning_nas").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")])
WITH_EXAMPLES = [path for path in FILES if re.search(r"^\s+>>> ", path.read_text(), flags=re.MULTILINE)]

PACKAGES = ("search", "strategies", "networks", "spaces")
"""Whose public classes have an example each."""


def module_of(path):
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts if parts[0] == "lightning_nas" else ["lightning_nas", *parts])


def descriptions(docstring):
    """Name and description of every argument and attribute in a docstring of Google's form."""
    for section in re.findall(r"^ *(?:Args|Attributes):\n((?: +.*\n?|\n)*)", docstring, flags=re.MULTILINE):
        yield from re.findall(r"^ +(\w+): (.*)$", section, flags=re.MULTILINE)


BEGINNINGS = ("Of the same", "See there")
WRAPPED = "That of the wrapped module"


@functools.cache
def docstrings():
    """Those of files in which something that points elsewhere is said at all."""
    return [
        (path, ast.get_docstring(node) or "")
        for path in FILES
        if any(said in path.read_text() for said in (*BEGINNINGS, WRAPPED))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Module)
    ]


def points_elsewhere(text):
    return text.startswith(BEGINNINGS) or text.rstrip(".") == WRAPPED


def test_no_argument_is_described_by_pointing_elsewhere():
    found = [
        f"{path.relative_to(ROOT)}: {name}: {text}"
        for path, docstring in docstrings()
        for name, text in descriptions(docstring)
        if points_elsewhere(text)
    ]
    assert found == []


def test_no_docstring_says_only_that_it_is_somebody_elses():
    assert [path for path, docstring in docstrings() if points_elsewhere(docstring.strip())] == []


def test_the_rule_would_notice():
    docstring = "Does it.\n\nArgs:\n    lr: Of the logits.\n    betas: Of the same.\n"
    assert dict(descriptions(docstring)) == {"lr": "Of the logits.", "betas": "Of the same."}
    assert points_elsewhere("Of the same.")
    assert points_elsewhere("That of the wrapped module.")
    assert not points_elsewhere("Of the logits.")


@pytest.fixture(scope="module")
def _no_lines_of_others():
    """Before each example, doctest asks the disk whether any file has changed whose lines were shown: thousands by now."""
    linecache.clearcache()


@pytest.mark.usefixtures("_no_lines_of_others")
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=module_of)
def test_examples_run(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module_of(path))
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_has_an_example(package):
    module = importlib.import_module(f"lightning_nas.{package}")
    classes = [getattr(module, name) for name in module.__all__]
    lacking = [
        cls.__name__
        for cls in classes
        if inspect.isclass(cls) and not issubclass(cls, Exception) and ">>> " not in (cls.__doc__ or "")
    ]
    assert lacking == []

"""Imports go one way: a folder of the library imports only the folders before it, and nothing imports a task."""

import ast
import re
from pathlib import Path

import pytest
from imported_names import LIBRARY, ROOT, imports
from processes import run_code

ORDER = [
    "errors",
    "architecture",
    "runs",
    "ops",
    "cost",
    "spaces",
    "networks",
    "strategies",
    "search",
    "evaluation",
    "estimation",
    "report",
    "models",
    "benchmark",
    "automatic",
]


def folder_of(name: str) -> str | None:
    """The folder of the library that a dotted name lies in."""
    parts = name.split(".")
    return parts[1] if parts[0] == "lightning_nas" and len(parts) > 1 else None


def violations(path: Path, folder: str) -> list[str]:
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    return [name for name in sorted(imports(path)) if folder_of(name) is not None and folder_of(name) not in allowed]


FILES = [
    pytest.param(path, folder, id=str(path.relative_to(ROOT)))
    for folder in ORDER
    for path in sorted((LIBRARY / folder).rglob("*.py"))
]


@pytest.mark.parametrize(("path", "folder"), FILES)
def test_a_folder_imports_only_those_before_it(path, folder):
    assert violations(path, folder) == []


def test_the_rule_would_notice(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def late():\n    from lightning_nas.search import SearchModule\n    return SearchModule\n")
    assert violations(file, "spaces") == ["lightning_nas.search.SearchModule"]
    file.write_text("import lightning_nas.tasks.classification\n")
    assert violations(file, "report") == ["lightning_nas.tasks.classification"]
    file.write_text("from lightning_nas import spaces\n")
    assert violations(file, "ops") == ["lightning_nas.spaces"]
    assert violations(file, "spaces") == []


def test_every_folder_of_the_library_has_a_place_in_the_order():
    folders = {p.name for p in LIBRARY.iterdir() if p.is_dir() and list(p.rglob("*.py"))}
    assert folders <= {*ORDER, "testing", "commands"}


def test_the_library_knows_no_task_and_no_config():
    for path in LIBRARY.rglob("*.py"):
        known = [n for n in imports(path) if folder_of(n) in ("tasks", "conf") or n.split(".")[0] in ("tasks", "conf")]
        assert known == [], path


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("spaces/**/space.py")), ids=lambda path: path.parent.name)
def test_the_decisions_of_a_space_know_no_network(path):
    networks = [
        n for n in imports(path) if n.startswith("torch.nn") or n.split(".")[-2:-1] in (["network"], ["supernet"])
    ]
    assert networks == []


def words_of_code(path: Path) -> set[str]:
    """Strings and names of a file, without its docstrings and comments."""
    tree = ast.parse(path.read_text())
    texts = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in texts:
            words.add(node.value)
        words |= {str(getattr(node, name, "")) for name in ("id", "attr", "arg")}
    return words


TASKS = re.compile(r"classification|detection|segmentation|num_classes|miou|(val|test)/map", re.IGNORECASE)
OF_EARLIER = {"report/earlier.py", "commands/renamed.py"}  # versions that listed the tasks


@pytest.mark.parametrize("folder", ["runs", "search", "evaluation", "report", "models", "commands", "strategies"])
def test_the_library_names_no_task(folder):
    """Neither their names, nor their metrics, nor what one of them is built with; help may show a command with one."""
    for path in (LIBRARY / folder).rglob("*.py"):
        name = path.relative_to(LIBRARY).as_posix()
        found = {word for word in words_of_code(path) if TASKS.search(word) and not word.startswith("lightning-nas ")}
        if (
            name not in OF_EARLIER and name != "strategies/zero_cost/classifier.py"
        ):  # scores any backbone as a classifier
            assert found == set(), name
    assert not (LIBRARY / "report" / "template.html").read_text().count("iou")


def space_classes() -> dict[str, str]:
    """Every class of a family of search spaces -> its folder."""
    found = {}
    for path in LIBRARY.glob("spaces/*/**/*.py"):
        family = path.relative_to(LIBRARY / "spaces").parts[0]
        names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        found |= dict.fromkeys(names, family)
    shared = {"NarrowableNeck", "StackedNeck"}  # faces that several families may have, none of them itself
    return {
        name: family for name, family in found.items() if family not in ("cells", "pictures") and name not in shared
    }


def questions_of_class(path: Path) -> set[str]:
    """Names of the classes that a file asks objects for, by ``isinstance`` or ``type(...) is``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        asked: list[ast.expr] = []
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            asked = node.args[1:]
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Call):
            asked = node.comparators if getattr(node.left.func, "id", "") == "type" else []
        for argument in asked:
            names |= {part.id for part in ast.walk(argument) if isinstance(part, ast.Name)}
            names |= {part.attr for part in ast.walk(argument) if isinstance(part, ast.Attribute)}
    return names


def test_nobody_asks_a_space_for_its_class_outside_its_folder():
    classes, asked = space_classes(), []
    assert {"Darts", "ProductNetwork", "NasFpn"} <= set(classes)
    for path in [*LIBRARY.rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]:
        parts = path.relative_to(ROOT).parts
        own = parts[2] if parts[:2] == ("lightning_nas", "spaces") else ""
        asked += [f"{path.relative_to(ROOT)}: {n}" for n in questions_of_class(path) if classes.get(n, own) != own]
    assert asked == []


def test_a_question_of_class_would_be_noticed(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("isinstance(x, Darts | spaces.Gas)\ntype(x) is NasFpn\nissubclass(x, (int, Chain))\n")
    assert questions_of_class(file) == {"Darts", "spaces", "Gas", "NasFpn", "int", "Chain"}


def test_only_the_commands_know_hydra():
    for path in LIBRARY.rglob("*.py"):
        if LIBRARY / "commands" not in path.parents:
            assert not [n for n in imports(path) if n.split(".")[0] in ("hydra", "omegaconf")], path


def test_the_root_of_the_package_holds_folders():
    assert {path.name for path in LIBRARY.iterdir() if path.is_file()} <= {
        "__init__.py",
        "cli.py",
        "errors.py",
        "py.typed",
    }


def test_importing_the_spaces_loads_no_lightning(tmp_path):
    """A found backbone is an ordinary module: nothing of the search comes with it."""
    of_the_search = ("hydra", "optuna", "albumentations", "pytorch_lightning")
    code = (
        "import sys, lightning_nas.spaces\n"
        "assert 'lightning_nas.spaces.darts' in sys.modules\n"
        f"print([m for m in sys.modules if m.split('.')[0] in {of_the_search}])\n"
    )
    others = ("lightning_nas", "omegaconf", "lightning", "lightning_fabric", "torchmetrics", "timm", "torch_pruning")
    assert run_code(code, tmp_path, forgotten=(*of_the_search, *others)).strip() == "[]"

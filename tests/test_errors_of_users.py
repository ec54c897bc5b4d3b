"""An exception of a user's own code keeps its traceback in every kind of search; those of the library are one sentence."""

import json

import pytest

from lightning_nas.errors import ArgumentError, MissingFileError, NasError, NotFiniteError, described

CODE = """
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule

class InTraining(ClassificationTask):
    def training_step(self, batch, batch_idx):
        raise ValueError("unexpected label")

class InInit(ClassificationTask):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        raise ValueError("unexpected argument")

class InSetup(DigitsDataModule):
    def setup(self, stage=None):
        raise FileNotFoundError("no list of files")
"""
LINE = CODE.splitlines().index('        raise ValueError("unexpected label")') + 1
SMALL = (
    "space=nasbench201", "space.channels=4", "space.cells=1", "trainer.accelerator=cpu", "trainer.limit_train_batches=1",
    "trainer.limit_val_batches=1", "search.epochs=1", "search.warmup_epochs=0",
)  # fmt: skip
KINDS = {
    "darts": (),
    "single_path": (),
    "rsps": (),
    "enas": (),
    "random": ("evaluator=train", "evaluator.epochs=1", "trials.count=3", "trials.most_failures=2"),
}


@pytest.fixture(scope="module")
def project(here):
    (here.folder / "users_project.py").write_text(CODE)
    here.patch.syspath_prepend(here.folder)
    return here


def said_by(project, capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        project("search", *SMALL, *arguments)
    return capsys.readouterr().err + str(stopped.value.code)


@pytest.mark.parametrize("strategy", KINDS)
def test_a_training_step_that_fails_shows_where_in_every_kind_of_search(project, strategy, capsys):
    run = project.folder / strategy
    said = said_by(
        project, capsys, f"strategy={strategy}", *KINDS[strategy], "task._target_=users_project.InTraining",
        f"hydra.run.dir={run}",
    )  # fmt: skip
    assert "Traceback" in said
    assert f'users_project.py", line {LINE}, in training_step' in said
    assert "ValueError: unexpected label" in said
    if strategy == "random":
        trials = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
        where = f"{project.folder / 'users_project.py'}:{LINE}, in training_step"
        assert [trial["error"] for trial in trials] == [f"ValueError: unexpected label ({where})"] * 2
        assert "2 trials in a row have failed, the last one, 1" in said


def test_a_task_that_cannot_be_made_shows_where(project, capsys):
    said = said_by(project, capsys, "strategy=darts", "task._target_=users_project.InInit", "hydra.run.dir=init")
    assert "Traceback" in said
    assert "in __init__" in said
    assert "ValueError: unexpected argument" in said


def test_a_data_module_that_finds_no_file_shows_where(project, capsys):
    said = said_by(project, capsys, "strategy=darts", "data._target_=users_project.InSetup", "hydra.run.dir=setup")
    assert "Traceback" in said
    assert "in setup" in said
    assert "FileNotFoundError: no list of files" in said


@pytest.mark.parametrize("argument", ["space.channels=0", "strategy.lr=-1", "space.cells=0"])
def test_an_argument_of_the_library_that_is_out_of_range_is_one_sentence(project, argument, capsys):
    said = said_by(project, capsys, "strategy=darts", argument, "hydra.run.dir=refused")
    assert "Traceback" not in said
    assert said.startswith("error: ")
    assert argument.partition(".")[2].partition("=")[0] in said


def test_errors_of_the_library_are_what_they_were_before_they_had_a_common_base():
    assert issubclass(NasError, ValueError)
    assert issubclass(MissingFileError, FileNotFoundError)
    assert issubclass(NotFiniteError, FloatingPointError)
    assert str(MissingFileError("no file at x")) == "no file at x"
    assert described(ArgumentError("n = 0")) == "ArgumentError: n = 0"


def test_the_library_and_its_tasks_raise_no_plain_value_error():
    """The command line could not tell it from one of a user's own code."""
    import ast
    import re
    from pathlib import Path

    root = Path(__file__).resolve().parent.parent
    plain = {"ValueError", "FileNotFoundError", "FloatingPointError", "OSError"}
    found = []
    raised = re.compile(rf"\braise[\s(\\]+({'|'.join(plain)})\b")
    for path in [*(root / "lightning_nas").rglob("*.py"), *(root / "tasks").rglob("*.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if raised.search(text) else ():  # it may be said in a docstring alone
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) in plain:
                found.append(f"{path.relative_to(root)}:{node.lineno}")
    assert [
        place for place in found if not place.startswith("lightning_nas/architecture/io.py")
    ] == []  # with its errno

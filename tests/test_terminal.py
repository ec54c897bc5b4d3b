"""What a user reads in a terminal: help, refusals, phases, the end of a run."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import lightning_nas
from lightning_nas.commands.check import _imported_signature
from lightning_nas.commands.main import COMPOSED, main
from lightning_nas.commands.phases import Phases
from lightning_nas.commands.signatures import static_signature

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted(path for path in (ROOT / "conf").rglob("*.yaml"))
TARGETS = sorted(
    {
        line.split("_target_:")[1].split("#")[0].strip()
        for path in CONFIGS
        for line in path.read_text().splitlines()
        if line.strip().startswith("_target_: lightning_nas.") and "sweep" not in line
    }
)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command in this process; gives its exit code or last words, and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-nas"])

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        printed = capsys.readouterr()
        return stopped.value.code, printed.out + printed.err

    return run


# ---- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "serch.epochs=1"], "unknown key serch.epochs; did you mean 'search.epochs'?"),
        (["search", "search.epoch=1"], "unknown key search.epoch; did you mean 'search.epochs'?"),
        (
            ["search", "strategy=random", "strategy.order=2"],
            "unknown key strategy.order, which another option of its group has;",
        ),
        (["search", "strategi=darts"], "unknown key strategi; did you mean 'strategy'?"),
        (["search", "data.bach_size=4"], "unknown key data.bach_size; did you mean 'data.batch_size'?"),
        (["search", "++data.bach_size=4"], "unknown key data.bach_size; .* did you mean 'batch_size'?"),
        (["search", "strategy=dartz"], "strategy=dartz: there is no such option; there are .* did you mean 'darts'?"),
        (["search", "search.epochs=many"], "search.epochs = 'many': Value 'many' .* Integer"),
        (["search", "space.channels=wide"], "space.channels = 'wide': .*integer"),
        (["search", "data.augmentation=much"], "data.augmentation = 'much': Input should be 'none'"),
        (["search", "evaluate.random=-1"], "evaluate.random = -1: expected at least 0"),
        (["search", "search.epochs=[1"], "cannot be read as key=value"),
        (
            ["train", "architecture=darts_v2", "data=imagefolder", "data.root=/none"],
            "data: root = '/none'.*no such folder",
        ),
        (["train", "architecture=nothing.json"], "architecture = 'nothing.json': neither a file nor a run folder"),
        (["train"], "architecture = null"),
        (["report", "run=nowhere"], "run = 'nowhere': there is no such folder"),
        (["train", "architecture=" + 5000 * "a"], "architecture = 'a{50,100}[.]{3} neither a file nor a run folder"),
        (["predict", "bach_size=3"], "unknown key bach_size; did you mean 'batch_size'?"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing_behind(command, tmp_path, arguments, said):
    import re

    code, printed = command(*arguments)
    assert re.search(f"^error: .*{said}" if not said.startswith("unknown") else f"^error: {said}", code)
    assert "Traceback" not in printed
    assert "HYDRA_FULL_ERROR" not in printed
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not list((tmp_path / "runs").glob("*/*"))


@pytest.mark.parametrize("argument", ["data.batch_size=few", "--help", "serch.epochs=1"])
def test_wrong_values_are_named_before_anything_slow_is_imported(tmp_path, argument):
    code = (
        "import sys\n"
        "from lightning_nas.cli import main\n"
        "try:\n"
        f"    main(['search', 'task=detection', {argument!r}])\n"
        "except SystemExit as stopped:\n"
        "    print(stopped.code)\n"
        "slow = {'torch', 'torchvision', 'pytorch_lightning', 'torchmetrics', 'albumentations', 'optuna', 'sklearn'}\n"
        "print('IMPORTED', sorted(slow & set(sys.modules)))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert out.stdout.rstrip().endswith("IMPORTED []")
    assert argument.partition("=")[0].lstrip("-") in out.stdout + "help"
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("*/*"))


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_source_says_of_a_component_is_what_its_import_says(target):
    static, imported = static_signature(target), _imported_signature("x", target)
    assert static is not None
    assert set(static.names) == set(imported.names) - {"kwargs", "arguments"}
    for name, hint in static.hints.items():
        assert hint == imported.hints[name], name


# ---- help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPOSED)
def test_help_shows_examples_and_the_comments_of_the_config_files(command, name):
    code, printed = command(name, "--help")
    assert code == 0
    assert printed.count(f"\n  lightning-nas {name} ") == 3
    blocks = (ROOT / "conf" / f"{name}.yaml").read_text().split("\n\n")
    assert all(
        line in printed for block in blocks if not block.startswith(("#", "hydra:")) for line in block.splitlines()
    )
    assert " # " in printed
    assert "_target_" not in printed


def test_help_shows_the_components_that_are_chosen(command):
    _, printed = command("search", "task=detection", "data=coco", "--help")
    assert "keys of data=coco (data.<key>=value):" in printed
    assert "folder that holds annotations/instances_<split>.json" in printed
    assert "strategy: bananas, " in printed


# ---- phases and the end ------------------------------------------------------------------------------------------------


def test_phases_are_named_with_their_place(capsys):
    phases = Phases(["searching with darts", "training found", "training random 0"])
    phases.begin("training random 0")
    assert capsys.readouterr().out == "3 of 3: training random 0\n"


def test_a_checkout_that_is_not_installed_says_what_to_do(monkeypatch):
    monkeypatch.setattr("lightning_nas.commands.main.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"lightning_nas is not installed: run `pip install -e \.`"):
        main(["search"])


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def said(capsys):
    """Phases of a search with three trainings; gives what they say at a time."""
    clock = Clock()
    phases = Phases(["searching with darts", "training found", "training random 0", "training random 1"], clock=clock)

    def at(seconds, call, *arguments, **named):
        clock.now = seconds
        getattr(phases, call)(*arguments, **named)
        return capsys.readouterr().out

    return at


def test_the_time_that_is_left_comes_from_what_was_measured(said):
    assert said(0, "begin", "searching with darts") == "1 of 4: searching with darts\n"
    assert said(5, "progress", 0.0) == ""
    # a quarter in 50 s: three more, and trainings of unknown length
    assert said(55, "progress", 0.25) == "1 of 4: searching with darts, 25% done, more than 2 min left in all\n"
    assert said(205, "progress", 1.0) == ""
    assert said(205, "begin", "training found") == "2 of 4: training found\n"
    assert said(205, "progress", 0.0) == ""
    # a tenth in 20 s: 180 s more of this one, 200 s of each of the others
    assert said(225, "progress", 0.1) == "2 of 4: training found, 10% done, about 10 min left in all\n"
    assert said(245, "progress", 0.2) == "", "once a phase, and then every ten minutes"
    assert said(825, "progress", 0.5) == "2 of 4: training found, 50% done, about 52 min left in all\n"
    # all of it in 1200 s
    assert said(1405, "begin", "training random 0") == "3 of 4: training random 0, about 40 min left in all\n"
    assert said(1405, "progress", 0.0) == ""
    # this one is faster: 0.5 in 300 s, and the mean of the finished ones for the last
    assert said(1705, "progress", 0.5) == "3 of 4: training random 0, 50% done, about 25 min left in all\n"
    assert said(2005, "begin", "training random 1") == "4 of 4: training random 1, about 15 min left in all\n"


def test_a_resumed_phase_counts_what_was_measured_and_a_finished_one_nothing(said):
    assert said(0, "begin", "training found") == "2 of 4: training found\n"
    # its result was there: nothing was reported
    assert said(1, "begin", "training random 0") == "3 of 4: training random 0\n"
    assert said(10, "progress", 0.5) == ""
    assert said(40, "progress", 0.75) == "3 of 4: training random 0, 75% done, about 2 min left in all\n"
    # half of it in 60 s
    assert said(70, "begin", "training random 1") == "4 of 4: training random 1, about 2 min left in all\n"


def test_what_follows_in_the_same_phase_is_not_known(said):
    said(0, "begin", "searching with darts")
    said(0, "progress", 0.0, open_end=True)
    assert "50% done, more than 60 s left" in said(60, "progress", 0.5, open_end=True)


def test_a_search_names_its_phases_and_ends_with_what_to_do_next(here, capfd):
    here(
        "search", "trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1",
        "trainer.limit_test_batches=1", "space.cells=2", "space.channels=4", "search.warmup_epochs=0", "search.epochs=1",
        "evaluate.epochs=1", "evaluate.random=1", "hydra.run.dir=run",
    )  # fmt: skip
    out, err = capfd.readouterr()
    for phase in (
        "1 of 4: searching with ",
        "2 of 4: training found",
        "3 of 4: training random 0",
        "4 of 4: training the one",
    ):
        assert phase in out
    ending = out[out.index("metric:") :]
    metrics = json.loads((here.folder / "run" / "summary.json").read_text())["metrics"]
    assert f"metric:       accuracy {metrics['accuracy']:.4f} (" in ending
    assert "multiply-adds" in ending
    assert "verdict:" in ending
    following = ending[ending.index("next:") :].splitlines()[0]  # an epoch was too short
    assert following.startswith("next:         lightning-nas search task=classification data=digits ")
    assert following.endswith(" search.epochs=2")
    for noise in ("Tip: ", "Previous log files", "log_every_n_steps"):
        assert noise not in out + err


# ---- the package -------------------------------------------------------------------------------------------------------


def test_there_is_one_version():
    assert lightning_nas.__version__ == version("lightning-nas")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    for name in ("CITATION.cff", "CHANGELOG.md"):
        assert lightning_nas.__version__ in (ROOT / name).read_text()
    assert "MIT License" in (ROOT / "LICENSE").read_text()

"""The commands as a user runs them: composition, refusals, resume after a kill, sweeps."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from processes import start_command

from lightning_nas.cli import main

ROOT = Path(__file__).resolve().parent.parent
TINY = [
    "trainer.accelerator=cpu",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=2",
    "space.cells=2",
    "space.channels=4",
    "space.steps=2",
    "search.warmup_epochs=0",
    "evaluate.epochs=1",
    "evaluate.random=1",
    "evaluate.hand_made=false",
]


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Runs a command that must fail, within this process; gives what it said."""

    def run_and_fail(name: str, *arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["lightning-nas"])
        with pytest.raises(SystemExit) as stopped:
            main([name, *arguments, "hydra.run.dir=out"])
        assert stopped.value.code not in (0, None)
        return capfd.readouterr().err + str(stopped.value.code)

    return run_and_fail


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["space.chanels=8"], "space.chanels"),
        (["space.channels=wide"], "space.channels"),
        (["serch.epochs=1"], "serch"),
        (["search.epochs=many"], "search.epochs"),
        (["strategy=none_such"], "none_such"),
        (["max_time=soon"], "max_time"),
    ],
)
def test_a_wrong_key_or_value_fails_at_once_and_is_named(refused, tmp_path, arguments, said):
    assert said in refused("search", *arguments)
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_train_refuses_to_start_without_an_architecture(refused):
    message = refused("train")
    assert "architecture" in message
    assert "darts_v2" in message


def kill_after_an_epoch(cwd: Path, name: str, arguments: list[str], folder: Path) -> None:
    """Starts a command and ends it with SIGKILL once a checkpoint is there."""
    running = start_command(cwd, name, *arguments, f"hydra.run.dir={folder}")
    while not (folder / "checkpoints" / "last.ckpt").is_file():
        assert not running.ended, "ended before it could be killed"
        time.sleep(0.01)
    running.kill()


def run_whole_and_broken(cwd: Path, name: str, arguments: list[str], unwritten: str) -> tuple[Path, Path]:
    """The folders of an undisturbed run and of one that was killed, before it wrote a file, and started again."""
    whole, broken = cwd / "whole", cwd / "broken"
    start_command(cwd, name, *arguments, f"hydra.run.dir={whole}").finish()
    kill_after_an_epoch(cwd, name, arguments, broken)
    assert not (broken / unwritten).exists()
    resumed = start_command(cwd, name, *arguments, f"hydra.run.dir={broken}").finish()
    assert "Restored all states" in resumed
    return whole, broken


def epochs_logged(folder: Path) -> list[int]:
    with (folder / "metrics.csv").open() as file:
        return sorted({int(row["epoch"]) for row in csv.DictReader(file)})


def test_a_killed_search_resumes_to_the_same_architecture(tmp_path):
    arguments = [*TINY, "space.steps=1", "search.epochs=3", "trainer.limit_train_batches=3", "evaluate.random=0"]
    whole, broken = run_whole_and_broken(tmp_path, "search", arguments, unwritten="architecture.json")
    for name in ("architecture.json", "history.jsonl"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert epochs_logged(broken) == [0, 1, 2]
    first, second = (json.loads((folder / "summary.json").read_text()) for folder in (whole, broken))
    assert first["metrics"] == second["metrics"]


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    arguments = [
        "architecture=darts_v2", "++network.channels=4", "++network.cells=2", "epochs=3", "drop_path=0.2",
        "trainer.accelerator=cpu", "trainer.limit_train_batches=4", "trainer.limit_val_batches=1",
        "trainer.limit_test_batches=1", "data.augmentation=light",
    ]  # fmt: skip
    whole, broken = run_whole_and_broken(tmp_path, "train", arguments, unwritten="summary.json")
    assert epochs_logged(broken) == [0, 1, 2, 3]  # the last line is of the test, after three epochs
    first, second = (torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (whole, broken))
    assert first["global_step"] == second["global_step"] == 12
    assert all(torch.equal(value, second["state_dict"][name]) for name, value in first["state_dict"].items())


def test_a_sweep_ends_with_a_table_over_seeds(here, capsys):
    here(
        "search", "-m", *TINY, "space.steps=1", "search.epochs=1", "trainer.limit_train_batches=1", "strategy=random,darts",
        "trials.count=2", "evaluator.epochs=1", "evaluate.random=0", "seed=0,1", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert len(list((here.folder / "sweep").glob("*/summary.json"))) == 4
    assert (here.folder / "sweep" / "table.csv").is_file()
    assert "±" in capsys.readouterr().out


def test_a_script_is_a_command():
    """In a process of its own: that the script finds the package and hands its arguments on."""
    script = ROOT / "scripts" / "report.py"
    done = subprocess.run([sys.executable, script, "run=nowhere"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "error: run = 'nowhere': there is no such folder\n")

"""The command from its settings to its table, on the digits; and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

import lightning_nas
from lightning_nas.automatic.plan import divided
from lightning_nas.cli import main
from lightning_nas.commands.automating import overrides
from lightning_nas.commands.estimating.composing import composed_command
from lightning_nas.estimation import Pace

SMALL = ["space.channels=2", "space.cells=1", "data.batch_size=256", "search.epochs=5", "search.warmup_epochs=3"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["lightning-nas"])


def test_a_search_is_estimated_and_nothing_is_left(tmp_path, capsys):
    estimate = lightning_nas.estimate(
        "search", *SMALL, evaluate__random=4, evaluate__epochs=7, evaluate__hand_made=False, trainer__devices=2
    )
    titles = {part.title: part for part in estimate.parts}
    assert titles["training random networks"].count == 4
    assert titles["training the found network"].detail.startswith("7 epochs of 4 steps; from ")
    assert titles["training the supernet"].detail.startswith("5 epochs of ")
    assert estimate.seconds == sum(part.seconds for part in estimate.parts) > 3
    low, high = estimate.range
    assert low < estimate.seconds < high
    assert estimate.memory.process > 2**27
    assert 10_000 < titles["training the found network"].kept < estimate.kept <= estimate.disk < 2**28
    assert estimate.devices == 2
    printed = capsys.readouterr().out
    assert printed.startswith("estimate of lightning-nas search space.channels=2")
    assert "assumed:  measured on one of 2 devices. Batches" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_estimated(capsys):
    network = ["++network.channels=2", "++network.cells=2", "data.batch_size=512"]
    main(["estimate", "train", "architecture=darts_v2", *network, "epochs=100", "callbacks=early_stopping"])
    printed = capsys.readouterr().out
    assert "training and testing" in printed
    assert "100 epochs of 2 steps" in printed
    assert "parts marked * may take less" in printed


def test_auto_says_how_it_would_use_its_time(tmp_path, monkeypatch, capsys):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(np.zeros((80, 70, 3), np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    pace = Pace(0.1, 0.05, 6, 1, start=1.0, memory=2**30, checkpoint=2**21, weights=2**20)
    monkeypatch.setattr(overrides, "measure", lambda *arguments: pace)
    estimate = lightning_nas.estimate("auto", data="photos", time="10m")
    plan = divided(64, 4, 600.0, pace)
    assert estimate.disk == plan.disk > 0
    assert [part.seconds for part in estimate.parts[:3]] == pytest.approx(plan.seconds, rel=0.05)
    assert "auto ends within its time = 600 s" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_the_folder_of_the_run_is_that_of_the_command(tmp_path):
    assert composed_command("search", []).folder.parts[:2] == ("runs", "search")
    assert composed_command("train", ["hydra.run.dir=mine"]).folder.name == "mine"
    assert composed_command("search", ["trainer=ddp", "trainer.devices=4", "trainer.num_nodes=2"]).devices == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search.epoch=3"], "error: unknown key search.epoch"),
        (["train"], "error: architecture = null"),
        (["train", "architecture=darts_v2", "epochs=0"], "error: epochs = 0: expected at least 1"),
        (["-m", "seed=0,1"], "error: -m: estimate looks at one job"),
        (["search.warmup_epochs=12"], "error: search.warmup_epochs = 12: expected less than search.epochs = 12"),
        (["strategy=single_path", "space=nas_fpn"], "error: "),
        (["trainer.devices=none"], "error: trainer.devices = 'none'"),
        (["trainer.accelerator=gpu"], "error: trainer.accelerator = 'gpu': this machine has none"),
        (["auto", "data=nowhere", "time=1h"], "error: data = 'nowhere': there is no such folder"),
    ],
)
def test_what_the_command_would_refuse_is_refused(arguments, said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["estimate", *arguments])
    assert str(ended.value.code).startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_help_says_how(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["estimate", "--help"])
    assert ended.value.code == 0
    assert "usage: lightning-nas estimate [search|train|auto]" in capsys.readouterr().out


def test_a_run_says_how_long_its_phases_took(tmp_path):
    main(["train", "architecture=darts_v2", "++network.channels=2", "++network.cells=2", "epochs=1",
          "data.batch_size=512", f"hydra.run.dir={tmp_path / 'run'}", "trainer.limit_train_batches=1"])  # fmt: skip
    spent = json.loads((tmp_path / "run" / "phases.json").read_text())
    assert list(spent) == ["training", "testing"]
    assert all(seconds > 0 for seconds in spent.values())

"""ENAS and random search with weight sharing from the command line, whole and interrupted."""

import csv
import json
import shutil
import sys
from pathlib import Path

import nursery
import pytest

from lightning_nas.architecture import Architecture
from lightning_nas.cli import main
from lightning_nas.cost import count_macs
from lightning_nas.search import ControllerPhase
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies.paths import Shortlist

TINY = [
    "space=nasbench201", "space.channels=2", "space.cells=1", "trainer.accelerator=cpu", "trainer.limit_train_batches=2",
    "trainer.limit_val_batches=1", "trainer.limit_test_batches=1", "data.batch_size=16", "logger=csv", "search.epochs=3",
    "search.warmup_epochs=0", "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false",
]  # fmt: skip
ENAS = ["strategy=enas", "strategy.controller_steps=2", "strategy.controller_batch=2", "strategy.derive=4"]
SINGLE = [
    "strategy=single_path", "strategy.population=2", "strategy.mutants=1", "strategy.crossovers=1", "strategy.rounds=1",
    "strategy.recalibration_batches=1",
]  # fmt: skip
RSPS = ["strategy=rsps", "strategy.candidates=5", "strategy.finalists=2", "strategy.recalibration_batches=1"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Runs a search in this process, in a folder of its own with a cache of its own."""
    folder = tmp_path_factory.mktemp("commands")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    patch.setattr("lightning_nas.cost.latency.FEWEST", nursery.PASSES)

    def run(name, *arguments):
        patch.setattr(sys, "argv", ["lightning-nas"])
        main(["search", *TINY, *arguments, f"hydra.run.dir={name}"])
        return folder / name

    run.patch, run.folder = patch, folder
    yield run
    patch.undo()


def stop_when(cls, name, condition):
    """Interrupts a method once; gives what it was."""
    original = getattr(cls, name)

    def stopping(self, *arguments):
        if condition(self, *arguments):
            raise KeyboardInterrupt
        return original(self, *arguments)

    return original, stopping


@pytest.mark.parametrize(
    ("strategy", "stops", "told"),
    [
        (
            ENAS,
            [
                (ControllerPhase, "learn", lambda self, trainer, task, epoch: epoch == 1),
                (Shortlist, "tell", lambda self, choices, value: len(self.history) == 2),
            ],
            4,
        ),
        (RSPS, [(Shortlist, "tell", lambda self, choices, value: len(self.history) == 6)], 7),
    ],
    ids=["enas", "rsps"],
)
def test_a_search_ends_the_same_after_interruptions(here, strategy, stops, told):
    name = strategy[0].removeprefix("strategy=")
    whole = here(f"{name}_whole", *strategy)
    lines = [json.loads(line) for line in (whole / "evolution.jsonl").read_text().splitlines()]
    assert len(lines) == told
    deciding = lines[5:] if name == "rsps" else lines
    best = max(deciding, key=lambda line: line["fitness"])
    record = Architecture.load(whole / "architecture.json")
    assert record.components["backbone"].choices == best["choices"]
    assert record.provenance["strategy"] == name
    report, seconds = (whole / "report.html").read_text(), json.loads((whole / "summary.json").read_text())["seconds"]
    assert "Fitness of the candidates" in report
    assert "nothing can be said" not in report
    assert seconds["search"] > json.loads((whole / "scoring.json").read_text())["seconds"] > 0

    for cls, method, condition in stops:
        original, stopping = stop_when(cls, method, condition)
        here.patch.setattr(cls, method, stopping)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            here(f"{name}_broken", *strategy)
        here.patch.setattr(cls, method, original)
        assert not (here.folder / f"{name}_broken" / "architecture.json").exists()
    broken = here(f"{name}_broken", *strategy)
    for file in ("evolution.jsonl", "architecture.json"):
        assert (broken / file).read_bytes() == (whole / file).read_bytes()
    with (broken / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["epoch"] for row in rows} == {"0", "1", "2"}  # also where only candidates were left to be scored
    assert sum(bool(row.get("controller/reward")) for row in rows) == (3 if name == "enas" else 0)
    assert ("Controller: entropy" in (broken / "report.html").read_text()) == (name == "enas")


@pytest.fixture(scope="module")
def limited(here):
    """Multiply-adds of the cheapest network of the space, and a search for one of twice as many at most."""
    space, sizes = NasBench201(channels=2, cells=1, in_channels=1), (1, 8, 8)
    networks = [space.network(dict.fromkeys(space.decisions, op)) for op in space.ops]
    head = networks[0].feature_info.channels()[-1] * 10
    least = min(count_macs(network, sizes) for network in networks) + head
    return least, here("kept", *SINGLE, "search.epochs=1", f"strategy.max_macs={2 * least}")


def test_limits_are_of_the_whole_network_and_refused_before_any_training(here, limited, capfd):
    least, folder = limited
    with pytest.raises(SystemExit) as stopped:
        here("limited", *SINGLE, f"strategy.max_macs={least - 1}")
    said = capfd.readouterr().err + str(stopped.value.code)
    assert "of the whole network" in said
    assert not (here.folder / "limited" / "checkpoints").exists()
    assert least <= json.loads((folder / "summary.json").read_text())["cost"]["network"]["macs"] <= 2 * least


def test_an_evolution_under_other_limits_is_not_gone_on_with(here, limited, capfd):
    """An earlier version took them for limits of the backbone."""
    least, kept = limited
    folder = Path(shutil.copytree(kept, here.folder / "older"))
    (folder / "architecture.json").unlink()
    told = {"choices": {"cell.1.0": "none"}, "fitness": 0.5}
    (folder / "evolution.jsonl").write_text(json.dumps(told) + "\n")
    with pytest.raises(SystemExit) as stopped:
        here("older", *SINGLE, "search.epochs=1", f"strategy.max_macs={2 * least}")
    assert "max_macs and min_macs are limits of the whole network" in capfd.readouterr().err + str(stopped.value.code)

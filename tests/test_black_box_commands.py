"""Searches trial by trial from the command line: kill and resume, several workers, several objectives, the yardstick."""

import csv
import itertools
import json
import time

import optuna
import pytest
from launched import workers_from_the_nursery
from processes import start_command

from lightning_nas.architecture import Architecture
from lightning_nas.cost import count_macs
from lightning_nas.search.trials.study import Objective, open_study
from lightning_nas.spaces import NasBench201

TINY = (
    "space=nasbench201", "space.channels=4", "space.cells=1", "evaluate.epochs=1", "evaluate.random=0",
    "evaluate.hand_made=false", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1", "trainer.accelerator=cpu",
)  # fmt: skip


def trials_of(folder):
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_a_killed_search_goes_on_and_ends_the_same(here):
    """Killed within a trial; none of the finished ones is evaluated again."""
    arguments = [
        *TINY,
        "strategy=evolution",
        "strategy.population=4",
        "strategy.tournament=2",
        "trials.count=7",
        "evaluator.epochs=1",
    ]
    whole, broken = here.folder / "whole", here.folder / "broken"
    here("search", *arguments, "hydra.run.dir=whole")
    running = start_command(here.folder, "search", *arguments, f"hydra.run.dir={broken}")
    while len(list((broken / "trials").glob("*"))) < 4:
        assert not running.ended, "ended before it could be killed"
        time.sleep(0.01)
    running.kill()
    assert not (broken / "architecture.json").exists()
    here("search", *arguments, "hydra.run.dir=broken")
    assert (broken / "architecture.json").read_bytes() == (whole / "architecture.json").read_bytes()
    told = [[(t["architecture"], t["values"]) for t in trials_of(folder) if t["values"]] for folder in (whole, broken)]
    assert told[0] == told[1]
    assert len(told[0]) == 7
    assert json.loads((whole / "summary.json").read_text())["strategy"] == "evolution"


def test_several_objectives_after_a_prefilter(here):
    folder = here.folder / "several"
    here(
        "search", *TINY, "strategy=nsga2", "strategy.population_size=6", "evaluator=zero_cost", "trials.count=12",
        "trials.costs=[macs]", "prefilter=params", "prefilter.samples=20", "prefilter.keep=0.2", "hydra.run.dir=several",
    )  # fmt: skip
    trials = trials_of(folder)
    assert all(trial["objectives"] == ["synflow", "network/macs"] for trial in trials)
    space = NasBench201(channels=4, cells=1, in_channels=1)
    for trial in trials:
        metrics, network = trial["metrics"], space.network(space.from_text(trial["architecture"]))
        assert metrics["backbone/macs"] == count_macs(network, (1, 8, 8))
        assert trial["values"][1] == metrics["network/macs"] == metrics["backbone/macs"] + 10 * 16
    front = [Architecture.load(path) for path in (folder / "front").glob("*.json")]
    best = max(front, key=lambda record: record.provenance["synflow"])
    assert Architecture.load(folder / "architecture.json") == best
    page = (folder / "report.html").read_text()
    assert "Pareto front" in page
    assert "<th>multiply-adds, whole network</th><th>multiply-adds, backbone</th>" in page


def test_a_study_of_the_backbones_cost_is_not_gone_on_with(here, capfd):
    space = NasBench201(channels=4, cells=1, in_channels=1)
    objectives = [Objective("synflow"), Objective("macs", larger_is_better=False)]
    older = f"sqlite:///{here.folder / 'older.db'}"
    storage = optuna.storages.RDBStorage(older)
    open_study(storage, "search", space, objectives, optuna.samplers.NSGAIISampler())
    with pytest.raises(SystemExit) as stopped:
        here(
            "search", *TINY, "strategy=nsga2", "evaluator=zero_cost", "trials.costs=[macs]", f"trials.storage={older}",
            "hydra.run.dir=older",
        )  # fmt: skip
    said = capfd.readouterr().err + str(stopped.value.code)
    assert "has objectives ['synflow', 'macs'], but this search has ['synflow', 'network/macs']" in said


def test_two_workers_share_a_study(here):
    with workers_from_the_nursery(here.folder):
        here(
            "search", "-m", "hydra/launcher=processes", "hydra.launcher.n_jobs=2", "trials.storage=study.log",
            "trials.worker=0,1", *TINY, "strategy=random", "evaluator=zero_cost", "evaluator.score=params",
            "trials.count=12", "hydra.sweep.dir=workers",
        )  # fmt: skip
    first, second = here.folder / "workers" / "0", here.folder / "workers" / "1"
    assert (first / "summary.json").is_file()
    assert not (second / "summary.json").exists()
    known = [trial["architecture"] for trial in trials_of(first) if trial["state"] == "complete"]
    assert len(known) == len(set(known)) >= 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trials.storage=sqlite:////no/such/folder/study.db"], "/no/such/folder"),
        (["trainer.devices=2"], "trainer.devices"),
        (["trials.reuse=all"], "reuse"),
        (["evaluator=one_shot"], "supernet"),
        (["evaluator=table", "evaluator.file=nowhere.csv", "evaluator.metric=x"], "nowhere.csv"),
        (["evaluator=zero_cost", "evaluator.score=luck"], "luck"),
        (["pruner=median", "trials.costs=[macs]"], "MedianPruner"),
        (["strategy=darts", "prefilter=synflow"], "prefilter"),
        (["strategy=darts", "pruner=median"], "pruner"),
        (["strategy=reinforce", "strategy.policy=enas"], "error: strategy: policy 'enas'"),
        (["strategy=enas", "strategy.policy=enas"], "error: policy 'enas'"),
    ],
)
def test_what_cannot_be_run_is_refused(here, arguments, said, capfd, tmp_path):
    strategy = [] if any(item.startswith("strategy=") for item in arguments) else ["strategy=random"]
    with pytest.raises(SystemExit) as stopped:
        here("search", *TINY, *strategy, *arguments, f"hydra.run.dir={tmp_path}")
    assert said in capfd.readouterr().err + str(stopped.value.code)


def test_a_search_that_gives_up_says_why(here, capfd):
    cell = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (here.folder / "poor.csv").write_text(f"arch,accuracy\n{cell},10\n")
    with pytest.raises(SystemExit) as stopped:
        here(
            "search", *TINY, "strategy=random", "evaluator=table", "evaluator.file=poor.csv", "evaluator.metric=accuracy",
            "trials.most_failures=3", "hydra.run.dir=given_up",
        )  # fmt: skip
    assert "3 trials in a row have failed" in capfd.readouterr().err + str(stopped.value.code)
    assert ["has no architecture" in trial["error"] for trial in trials_of(here.folder / "given_up")] == [True] * 3


def test_a_benchmark_of_two_strategies_ends_with_one_table(here, capfd):
    space = NasBench201()
    with (here.folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "cifar10_valid", "cifar10_test", "train_time_s"])
        for ops in itertools.product(space.ops, repeat=6):
            choices = dict(zip(space.decisions, ops, strict=True))
            writer.writerow([space.to_text(choices), ops.count("nor_conv_3x3"), ops.count("nor_conv_3x3") + 1, 10])
    here(
        "benchmark", "-m", "what=nasbench201", "table=table.csv", "strategy=random,local_search", "budget=60",
        "seeds=2", "marks=[30,60]", "datasets=[cifar10]", "hydra.sweep.dir=strategies",
    )  # fmt: skip
    said = capfd.readouterr().out
    table = said[said.rindex("NAS-Bench-201,") :]
    assert "random" in table
    assert "local_search" in table
    assert "7.00" in table
    assert (here.folder / "strategies" / "regret.png").is_file()

"""What a report says is to be done next follows from how the run has ended, and the command can be typed."""

import json
import re
import shlex

import pytest
from hydra import compose, initialize_config_module
from searched_run import make_summary

from lightning_nas.commands.groups import register_training_keys
from lightning_nas.commands.schema import register_schemas
from lightning_nas.report.next_step import next_step
from lightning_nas.report.page import build
from lightning_nas.report.reading import read_run
from lightning_nas.runs import RunFolder
from lightning_nas.search.doctor import Diagnosis

GIVEN = ["task=classification", "data=imagefolder", "data.root='/my photos'", "search.epochs=4", "strategy=darts",
         "strategy.lr=0.1", "hydra.run.dir=x", "+trainer.accumulate_grad_batches=5"]  # fmt: skip


@pytest.fixture
def run(run_folder):
    """Changes what a run has left; gives the step that follows."""
    record = run_folder / ".hydra"
    record.mkdir()
    (record / "overrides.yaml").write_text(json.dumps(GIVEN))
    (record / "config.yaml").write_text(
        "strategy: {lr: 0.1}\ntrials: {count: 9}\nsearch: {epochs: '${more}'}\nmore: 4\n"
    )

    def step(
        word="healthy", gain=True, strategy="darts", curve=(), front=False, trials=False, stopped=False, **diagnosed
    ):
        summary = make_summary(strategy=strategy, data="imagefolder")
        summary["comparison"] = summary["comparison"][: 4 if gain else 5]
        (run_folder / "summary.json").write_text(json.dumps(summary))
        if curve:
            lines = [f"{epoch},{value}" for epoch, value in enumerate(curve)]
            (run_folder / "metrics.csv").write_text("\n".join(["epoch,val/accuracy", *lines]) + "\n")
        if front:
            network = {"number": 0, "metric": 0.5, "inherited": 0.5, "macs": 1, "params": 1}
            front_record = {"metric": "a", "cost": "macs", "chosen": 0, "measured": 1, "networks": [network]}
            (run_folder / "front.json").write_text(json.dumps(front_record))
        if trials:
            entry = {"number": 0, "state": "COMPLETE", "objectives": ["a"], "values": [0.5]}
            (run_folder / "trials.jsonl").write_text(json.dumps(entry) + "\n")
        if stopped:
            lines = (run_folder / "history.jsonl").read_text().splitlines()
            lines[-1] = json.dumps({**json.loads(lines[-1]), "stopped": "stopped after epoch 19"})
            (run_folder / "history.jsonl").write_text("\n".join(lines) + "\n")
        finished = read_run(run_folder)
        return next_step(finished, Diagnosis(word, "", "", **diagnosed), *finished.deciding)

    step.folder = run_folder
    return step


def composes(command):
    """The command without the program, as its own parser sees it."""
    program, name, *items = shlex.split(command)
    assert program == "lightning-nas"
    register_schemas()
    register_training_keys()
    if name in ("search", "train"):
        with initialize_config_module("lightning_nas.conf", version_base="1.3"):
            compose(name, items)
    return name, items


def test_a_search_that_has_found_something_is_followed_by_a_training(run):
    step = run()
    name, items = composes(step.command)
    assert name == "train"
    assert "Train it to the end" in step.sentence
    assert items == ["task=classification", "data=imagefolder", "data.root='/my photos'",
                     f"architecture={run.folder / 'architecture.json'}"]  # fmt: skip


@pytest.mark.parametrize("word", ["collapsing", "drifting"])
def test_after_a_collapse_an_epoch_before_it_is_trained_or_a_guarded_search_made(run, word):
    name, items = composes(run(word, epoch=3).command)
    assert (name, items[-1]) == ("train", f"architecture={RunFolder(run.folder).of_epoch(3)}")
    for again in (
        "strategy.guard=eigenvalue",
        "strategy.auxiliary_skip=1 strategy.guard=eigenvalue",
        "strategy=beta_darts",
    ):
        name, items = composes(run(word, again=again).command)
        assert name == "search"
        assert " ".join(items).endswith(again)
        assert ("strategy.lr=0.1" in items) == again.startswith("strategy.")


@pytest.mark.parametrize(
    ("ended", "last", "said"),
    [
        ({"word": "undecided"}, "search.epochs=8", "before it had chosen anything"),
        ({"gain": False}, "search.epochs=8", "Nothing shows yet"),
        ({"gain": False, "trials": True, "word": "unknown"}, "trials.count=18", "Nothing shows yet"),
        ({"gain": False, "front": True}, "search.epochs=8", "The networks of the front can be used"),
    ],
)
def test_what_was_too_short_or_no_better_searches_for_twice_as_long(run, ended, last, said):
    step = run(**ended)
    name, items = composes(step.command)
    assert name == "search"
    assert items[-1] == last
    assert "strategy.lr=0.1" in items
    assert said in step.sentence


def test_what_its_guard_has_ended_too_early_is_searched_at_a_higher_rate(run):
    step = run(word="undecided", stopped=True)
    name, items = composes(step.command)
    assert (name, items[-1]) == ("search", "strategy.lr=0.3")
    assert "strategy.lr=0.1" not in items
    assert "The guard ended the search" in step.sentence


def test_of_a_front_one_network_is_exported(run):
    step = run(front=True)
    assert composes(step.command) == ("export", [f"run={run.folder}"])
    assert "latency_ms=<limit>" in step.sentence


def test_a_training_that_still_got_better_goes_on_and_one_that_did_not_is_exported(run):
    name, items = composes(run(strategy="train", curve=[0.1, 0.2, 0.4, 0.5, 0.6]).command)
    assert name == "train"
    assert items[-2:] == [f"model={run.folder}", "epochs=10"]
    for curve in ([0.1, 0.2, 0.6, 0.5, 0.6], [0.5] * 5, [0.1, 0.2]):
        assert composes(run(strategy="train", curve=curve).command)[0] == "export"


def test_without_a_config_the_reader_fills_in_how_long(run):
    (run.folder / ".hydra" / "config.yaml").unlink()
    assert "'search.epochs=<more>'" in run("undecided").command


def test_the_page_shows_it(run):
    run()
    page = build(run.folder).read_text()
    assert re.search(r'<div class="next"><p><b>Next:</b> .*</p><pre><code>lightning-nas ', page)
    assert "/my photos" in page


def test_a_folder_with_odd_characters_can_be_typed(run, monkeypatch):
    odd = run.folder.with_name("it's, a {run}")
    run.folder.rename(odd)
    step = next_step(read_run(odd), Diagnosis("undecided", "", ""), "accuracy", "max")
    composes(step.command)
    (odd / "summary.json").write_text(json.dumps(make_summary(strategy="train", data="imagefolder")))
    step = next_step(read_run(odd), Diagnosis("unknown", "", ""), "accuracy", "max")
    assert r"model='" + str(odd).replace("'", r"\'") + "'" in composes(step.command)[1]

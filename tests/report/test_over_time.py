"""What a page and a terminal say of a search: the doctor's sentence, its commands, its pictures."""

import json

import torch

from lightning_nas.report.ending import ending
from lightning_nas.report.over_time import charts_over_time
from lightning_nas.report.page import build
from lightning_nas.report.reading import read_run
from lightning_nas.runs import RunFolder
from lightning_nas.runs.history import read_history
from lightning_nas.search.doctor import Signs
from lightning_nas.spaces import Darts


def collapsed(folder, since=12, **last):
    """Its normal cell holds skips alone from an epoch on; the eigenvalue was measured every second epoch."""
    run = RunFolder(folder)
    choices = Darts().decode({group: torch.zeros(14, 8) for group in ("normal", "reduce")})
    lines = [dict(line) for line in read_history(run.history)]
    for line in lines:
        late = line["epoch"] >= since
        operations = [name for name in choices if name.startswith("normal.") and ".op" in name]
        found = dict.fromkeys(operations, "skip_connect" if late else "sep_conv_3x3")
        line |= {"choices": {**choices, **found}, "skip_share": {"normal": float(late), "reduce": 1.0}}
        line["probabilities"] = {group: [[0.93] + [0.01] * 7] * 14 for group in ("normal", "reduce")}
        if line["epoch"] % 2 == 0:
            line["eigenvalue"] = 0.25
    lines[-1] |= last
    run.history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def configured(run, strategy, *overrides):
    run.record.mkdir()
    run.config.write_text(json.dumps({"strategy": strategy}))
    run.overrides.write_text(json.dumps(list(overrides)))


def test_a_collapse_is_said_with_the_command_that_acts_on_it(run_folder):
    run = collapsed(run_folder)
    configured(run, {"guard": None, "level": "bi"}, "seed=1", "data.root=/images")
    said = ending(run_folder)
    command = (
        f"lightning-nas train task=classification data=digits data.root=/images architecture={run_folder}/epochs/11"
    )
    assert (
        "verdict:      collapsing since epoch 12: use the architecture of epoch 11, or search again with "
        "strategy.guard=eigenvalue (100% of the operations in the found normal cell learn nothing).\n"
    ) in said
    assert said.endswith(f"\nnext:         {command}")
    page = build(run_folder).read_text()
    assert "<b>collapsing since epoch 12:</b> use the architecture of epoch 11, or search again" in page
    assert f"<code>{command}</code>" in page


def test_a_healthy_search_without_gain_is_not_told_that_there_is_nothing_to_do(run_folder):
    collapsed(run_folder, since=99)
    summary = json.loads((run_folder / "summary.json").read_text())
    said = {}
    for value in (0.5, 1.0):
        for entry in summary["comparison"]:
            if entry["kind"] == "found":
                entry["metrics"] = dict.fromkeys(entry["metrics"], value)
        (run_folder / "summary.json").write_text(json.dumps(summary))
        said[value] = ending(run_folder)
    assert "verdict:      healthy, but no gain (" in said[0.5]
    assert "nothing to do" not in said[0.5]
    assert "verdict:      healthy: nothing to do (" in said[1.0]


def test_a_stopped_search_says_how_to_go_on(run_folder):
    run = collapsed(run_folder, since=99, stopped="the dominant eigenvalue has grown")
    configured(run, {"guard": "eigenvalue", "level": "bi"}, "seed=1", "strategy.guard=eigenvalue")
    said = ending(run_folder)
    assert "healthy: the guard has acted, nothing to do (the dominant eigenvalue has grown; " in said
    assert f"lightning-nas search seed=1 continue_from={run_folder} strategy.guard=null  # goes on" in said


def test_every_sign_has_a_picture(run_folder):
    charts = charts_over_time(Signs.of(read_run(collapsed(run_folder).path).history))
    assert [chart.title for chart in charts if chart.svg] == [
        "Share of operations that learn nothing", "How sharp the loss is in the logits", "Entropy of the options",
        "Agreement of the decoded architectures",
    ]  # fmt: skip
    page = build(run_folder).read_text()
    assert all(chart.title in page for chart in charts)
    assert "dominant eigenvalue</text>" in page
    assert "normal, skips alone</text>" in page


def test_what_was_not_recorded_is_said_in_its_place():
    lines = [{"epoch": epoch, "probabilities": {"path": [[0.5, 0.5]]}} for epoch in range(2)]
    charts = {chart.title: chart for chart in charts_over_time(Signs.of(lines))}
    missing = [chart.caption for chart in charts.values() if chart.svg is None]
    assert missing == [
        "Not recorded: what this space decides are no operations of cells.",
        "Not measured: strategy.guard=watch measures it, strategy.guard=eigenvalue acts on it, too.",
        "Not recorded: there are no two epochs with an architecture.",
    ]

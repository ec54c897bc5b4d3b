"""Searches in stages, and supernets that are discretised by removal: what is decided, and that a killed search goes on."""

import json
import shutil
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from plain_trainers import plain_trainers
from toy_paths import Data, Given, Task

from lightning_nas.errors import RunFolderError
from lightning_nas.ops import Zero
from lightning_nas.search import Job, SupernetSettings, run
from lightning_nas.spaces import Darts as Space
from lightning_nas.spaces import NasBench201, OptionWeights
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.selection import Removal
from lightning_nas.strategies.gradient.stages import Progressive

OPS = ("none", "skip_connect", "nor_conv_1x1")
SPACE = Space(channels=2, cells=3, in_channels=1, ops=OPS, steps=2)


class OnBackbone(Task):
    def __init__(self, backbone):
        super().__init__(Given(backbone))


def job(folder, **arguments):
    pl.seed_everything(0, verbose=False)  # as a command does
    settings = SupernetSettings(epochs=1, warmup_epochs=0)
    trainers = plain_trainers({"accelerator": "cpu", "num_sanity_val_steps": 0, "limit_val_batches": 0})
    return Job(
        SPACE, Data(batch_size=12), OnBackbone, folder, **{"trainers": trainers, "supernet": settings, **arguments}
    )


class KilledError(Exception):
    """In the place of a signal."""


# ---- stages -----------------------------------------------------------------------------------------------------


def progressive(**arguments):
    stages = {"options": [2, 1], "grow": {"cells": [3, 4, 4]}, "skip_dropout": [0.0, 0.3, 0.3], "start": 0}
    return Darts(lr=0.1, stages=Progressive(**{**stages, **arguments}))


def test_a_stage_leaves_the_strongest_options_and_a_killed_search_goes_on(tmp_path):
    whole = run(progressive(), job(tmp_path / "whole"))
    stages = [job(tmp_path / "whole").run.stage(number) for number in range(2)]
    assert all(place.options.is_file() and place.history.is_file() for place in stages)
    masks = [torch.tensor(json.loads(place.options.read_text())["normal"]) for place in stages]
    assert [mask.sum(1).tolist() for mask in masks] == [[2] * 5, [1] * 5]
    assert (masks[1] <= masks[0]).all()

    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    again = job(tmp_path / "again").run
    for path in (again.architecture, again.stage(1).options, again.history):  # killed within the second stage
        path.unlink()
    shutil.rmtree(again.checkpoints)
    assert run(progressive(), job(tmp_path / "again")) == whole
    again.architecture.unlink()
    again.stage(0).options.write_text('{"normal": [[false, false, false]]}')
    with pytest.raises(RunFolderError, match="not the options that a stage has left"):
        run(progressive(), job(tmp_path / "again"))


def histories(folder, **arguments):
    """What a search in stages writes down, epoch for epoch."""
    work = job(folder, supernet=SupernetSettings(epochs=2, warmup_epochs=0))
    run(progressive(**{"skip_dropout": [0.5, 0.5, 0.5], **arguments}), work)
    return [work.run.stage(0).history.read_text(), work.run.history.read_text()]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    return histories(tmp_path_factory.mktemp("unchanged"))


def test_options_that_are_out_are_neither_computed_nor_mixed_nor_chosen():
    strategy, supernet = progressive(), SPACE.supernet()
    mask = torch.tensor([[False, True, True]] * 5)
    mask[0, 1] = False
    strategy.stages.enter(1, {"normal": mask})
    strategy.adapt(supernet)
    strategy.attach(supernet)
    weights = strategy.relax(supernet.logits)
    assert (weights["normal"].values[~mask] == 0).all()
    torch.testing.assert_close(weights["normal"].values.sum(1), torch.ones(5))
    cell = next(cell for cell in supernet.macro.cells if cell.group == "normal")
    assert isinstance(cell.edges[0].candidates[1], Zero)
    dropout = cell.edges[1].candidates[1][1]
    rates = []
    for epoch in range(2):
        strategy.begin_epoch(epoch, 2)
        rates.append(dropout.p)
    assert rates == pytest.approx([0.3, 0.3 * 2.718281828**-0.2])
    with torch.no_grad():
        supernet.logits["normal"][0, 1] = 9.0
    assert "skip_connect" not in [strategy.decode(SPACE, supernet.logits)[f"normal.2.op{side}"] for side in (0,)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("options", [2, 2]),
        ("grow", {"cells": [3, 3, 4]}),
        ("skip_dropout", [0.9, 0.9, 0.9]),
        ("decay", 9.0),
        ("start", 9),
    ],
)
def test_every_argument_changes_the_search(tmp_path, unchanged, argument, value):
    assert histories(tmp_path, **{argument: value}) != unchanged


# ---- removal ----------------------------------------------------------------------------------------------------


def test_the_option_stays_without_which_the_loss_is_highest():
    supernet, removal = SPACE.supernet(), Removal(seed=3)
    removal.attach(supernet)
    assert removal.steps == 5 + 1  # five edges, one of three into the second node goes
    asked = removal.questions(0)
    assert {question.group for question in asked} == {"normal", "reduce"}
    question = asked[0]
    assert question.candidates == (1, 2), "a found cell has no 'none'"
    removal.answer(question, [0.1, 0.9])
    assert removal.decided == {question.group: {question.row: 2}}
    (node,) = [q for q in removal.questions(5) if q.group == "normal"]
    assert node.candidates == (2, 3, 4)
    removal.answer(node, [0.5, 0.2, 0.3])
    assert removal.removed == {"normal": [3]}
    assert [edge for _, edge, _ in removal.removals(node)] == [2, 4]
    weights = removal.applied("normal", OptionWeights(torch.full((5, 3), 1 / 3)))
    assert weights.values[3].tolist() == [0, 0, 0]
    assert weights.active[3] == ()
    removal.asked = ("normal", 4, 1)
    asked_weights = removal.applied("normal", OptionWeights(torch.full((5, 3), 1 / 3)))
    torch.testing.assert_close(asked_weights.values[4], torch.tensor([1 / 3, 0, 1 / 3]))
    assert asked_weights.active[4] == (0, 2)


def pt(**arguments):
    return Darts(lr=0.1, select=Removal(**{"tune_epochs": 1, "batches": 1, **arguments}))


def test_a_supernet_is_discretised_and_a_killed_search_goes_on(tmp_path, monkeypatch):
    whole = run(pt(), job(tmp_path / "whole"))
    folder = job(tmp_path / "whole").run
    assert folder.selection.last_checkpoint.is_file()
    assert len(folder.selection.history.read_text().splitlines()) == 6
    state = torch.load(folder.selection.last_checkpoint, weights_only=True)["lightning_nas"]["strategy"]["parts"][
        "select"
    ]
    assert {name: len(rows) for name, rows in state["decided"].items()} == {"normal": 5, "reduce": 5}
    assert {name: len(rows) for name, rows in state["removed"].items()} == {"normal": 1, "reduce": 1}

    original, calls = Removal.answer, []

    def killed(self, question, losses):
        calls.append(question)
        if len(calls) == 6:
            raise KilledError
        original(self, question, losses)

    monkeypatch.setattr(Removal, "answer", killed)
    with pytest.raises(KilledError):
        run(pt(), job(tmp_path / "again"))
    monkeypatch.setattr(Removal, "answer", original)
    assert run(pt(), job(tmp_path / "again")) == whole
    again = torch.load(job(tmp_path / "again").run.selection.last_checkpoint, weights_only=True)["state_dict"]
    first = torch.load(folder.selection.last_checkpoint, weights_only=True)["state_dict"]
    assert all(torch.equal(value, first[name]) for name, value in again.items())


def outcome(folder, **arguments):
    """What a search by removal has left, and the losses that decided."""
    original, judged = Removal.answer, []

    def noting(self, question, losses):
        judged.append(losses)
        original(self, question, losses)

    work = replace(job(folder), space=NasBench201(channels=2, cells=1, in_channels=1, nodes=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Removal, "answer", noting)
        run(pt(**arguments), work)
    checkpoint = torch.load(work.run.selection.last_checkpoint, weights_only=True)
    weights = [value.tolist() for value in checkpoint["state_dict"].values()]
    return checkpoint["epoch"], weights, checkpoint["lightning_nas"]["strategy"]["parts"]["select"], judged


@pytest.fixture(scope="module")
def discretised(tmp_path_factory):
    return outcome(tmp_path_factory.mktemp("discretised"))


@pytest.mark.parametrize(
    ("argument", "value"), [("tune_epochs", 2), ("rate", 0.5), ("batches", 2), ("trains_logits", False), ("seed", 4)]
)
def test_every_argument_of_removal_changes_the_search(tmp_path, discretised, argument, value):
    assert outcome(tmp_path, **{argument: value}) != discretised

"""Going on with a search that its guard has stopped; and the architectures of its epochs."""

import json
import shutil

import pytest
import pytorch_lightning as pl
import torch
from plain_trainers import plain_trainers
from toy_paths import Data, Given, Task

from lightning_nas.errors import ArgumentError, JobError, RunFolderError
from lightning_nas.networks.backbone import find_architecture
from lightning_nas.runs import RunFolder
from lightning_nas.runs.history import read_history
from lightning_nas.search import Job, SupernetSettings, Trainers, run
from lightning_nas.search.lightning.persistence import read_checkpoint
from lightning_nas.spaces import NasBench201, from_architecture
from lightning_nas.strategies import Darts, Rsps
from lightning_nas.strategies.gradient.guards import Eigenvalue, Watch

SPACE = NasBench201(channels=2, cells=1, in_channels=1, ops=("none", "skip_connect", "nor_conv_1x1"), nodes=3)
EPOCHS = 5


class OnBackbone(Task):
    def __init__(self, backbone):
        super().__init__(Given(backbone))


class Planned(Eigenvalue):
    """Goes back by one epoch after the third one, whatever the eigenvalue is, as one that has grown makes it."""

    stops = True

    def has_grown(self, trace, before, epoch):
        return epoch == 2

    def look(self, epoch, curvature, logits):
        super().look(epoch, curvature, logits)
        self.stopped = self.stopped if self.stops else None


class GoesBackOnly(Planned):
    """The same, and the search goes on by itself."""

    stops = False


def searched(folder, guard, **arguments):
    pl.seed_everything(0, verbose=False)  # as a command does
    settings = SupernetSettings(epochs=EPOCHS, warmup_epochs=0)
    trainers = plain_trainers({"accelerator": "cpu", "num_sanity_val_steps": 0, "limit_val_batches": 0})
    job = Job(SPACE, Data(batch_size=12), OnBackbone, folder, trainers=trainers, supernet=settings, **arguments)
    return run(Darts(lr=0.1, guard=guard), job), job.run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A search that was stopped after its third epoch."""
    return searched(tmp_path_factory.mktemp("stopped"), Planned(every=1, delay=1, start=1))[1]


def test_it_goes_on_where_the_guard_has_stopped_it(stopped, tmp_path):
    assert [line["epoch"] for line in read_history(stopped.history)] == [0, 1, 2]
    found, run_ = searched(tmp_path / "continued", None, continues=stopped.path)
    whole, other = searched(tmp_path / "whole", GoesBackOnly(every=1, delay=1, start=1))
    assert found == whole
    states = [read_checkpoint(folder.last_checkpoint)["state_dict"] for folder in (run_, other)]
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))
    lines = read_history(run_.history)
    assert [line["epoch"] for line in lines] == list(range(EPOCHS))
    assert lines[:3] == read_history(stopped.history)
    assert "stopped" in lines[2]
    assert "stopped" not in lines[-1]
    epochs = [row.split(",")[0] for row in run_.metrics.read_text().splitlines()]
    assert epochs[0] == "epoch"
    assert {"0", "2", "4"} <= set(epochs)


def test_what_was_continued_is_resumed_like_any_search(stopped, tmp_path):
    found, whole = searched(tmp_path / "whole", Watch(every=1), continues=stopped.path)
    killed = RunFolder(tmp_path / "killed")
    shutil.copytree(whole.path, killed.path)
    killed.architecture.unlink()
    again, _ = searched(killed.path, Watch(every=1), continues=stopped.path)
    assert again == found
    trace = [line.get("eigenvalue") for line in read_history(whole.history)]
    assert all(value is not None for value in trace)


def test_another_strategy_is_refused(stopped, tmp_path):
    pl.seed_everything(0, verbose=False)
    job = Job(SPACE, Data(batch_size=12), OnBackbone, tmp_path, trainers=Trainers({"accelerator": "cpu"}),
              supernet=SupernetSettings(epochs=EPOCHS, warmup_epochs=0), continues=stopped.path)  # fmt: skip
    with pytest.raises(ArgumentError, match="another strategy"):
        run(Darts(lr=0.1, sampler="sigmoid"), job)
    assert not list(tmp_path.iterdir())


def test_only_a_stopped_search_is_continued(stopped, tmp_path):
    _, free = searched(tmp_path / "free", None)
    with pytest.raises(JobError, match="expected a search that its guard has stopped, and none has"):
        searched(tmp_path / "a", None, continues=free.path)
    with pytest.raises(JobError, match=r"expected a search by gradients, .* is missing"):
        searched(tmp_path / "b", None, continues=tmp_path / "nowhere")
    job = Job(SPACE, Data(batch_size=12), OnBackbone, tmp_path / "c", continues=stopped.path)
    with pytest.raises(JobError, match="only a search by gradients can be gone on with"):
        run(Rsps(), job)


def test_an_epoch_of_a_search_is_an_architecture(stopped):
    last, _ = find_architecture(stopped.path)
    for line in read_history(stopped.history):
        record, folder = find_architecture(str(stopped.of_epoch(line["epoch"])))
        assert from_architecture(record)[1] == line["choices"]
        assert folder is None
        assert record.provenance == {**last.provenance, "epoch": line["epoch"]}
        assert record.components["backbone"].space_args == last.components["backbone"].space_args
    with pytest.raises(RunFolderError, match="holds architectures of epochs 0 to 2"):
        find_architecture(stopped.of_epoch(7))


def test_an_epoch_without_an_architecture_is_named(stopped, tmp_path):
    old = RunFolder(tmp_path)
    lines = [
        {name: value for name, value in line.items() if name != "choices"} for line in read_history(stopped.history)
    ]
    old.history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(FileNotFoundError, match=r"holds no architecture\.json"):
        find_architecture(old.of_epoch(1))
    shutil.copy(stopped.architecture, old.architecture)
    with pytest.raises(RunFolderError, match="holds no architectures of epochs"):
        find_architecture(old.of_epoch(1))

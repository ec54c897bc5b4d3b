"""A search that a guard stops, what its last lines propose, and that these commands run."""

import json
import shlex

import pytest

from lightning_nas.strategies.gradient.guards import Eigenvalue

SMALL = (
    "space=nasbench201", "space.channels=2", "space.cells=1", "trainer.accelerator=cpu", "trainer.limit_train_batches=2",
    "trainer.limit_val_batches=1", "trainer.limit_test_batches=1", "data.batch_size=16",
    "logger=csv",
)  # fmt: skip
SEARCH = (
    *SMALL, "search.epochs=3", "search.warmup_epochs=0", "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false",
    "strategy.lr=0.1",
)  # fmt: skip
GUARD = (
    "strategy.guard={_target_:lightning_nas.strategies.gradient.guards.Eigenvalue,every:1,delay:1,start:0,iterations:1}"
)


@pytest.fixture(scope="module")
def stopped(here):
    """Its guard stops it after epoch 1 and goes back to epoch 0; its architecture has collapsed."""
    here.patch.setattr(Eigenvalue, "has_grown", lambda self, trace, before, epoch: epoch == 1)
    here("search", *SEARCH, GUARD, "hydra.run.dir=stopped")
    return here


def test_the_command_that_goes_on_runs(stopped, capsys):
    stopped("report", "run=stopped")
    page = (stopped.folder / "stopped" / "report.html").read_text()
    command = page.partition("<code>")[2].partition("</code>")[0].replace("&#39;", "'")
    assert command.startswith("lightning-nas search space=nasbench201 ")
    words = shlex.split(command, comments=True)
    assert words[-2:] == ["continue_from=stopped", "strategy.guard=null"]
    stopped("search", *words[2:], "hydra.run.dir=continued")
    lines = [json.loads(line) for line in (stopped.folder / "continued" / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert "verdict:" in capsys.readouterr().out


def test_an_architecture_of_an_epoch_is_trained(stopped, capsys):
    stopped("train", *SMALL[3:], "epochs=1", "architecture=stopped/epochs/0", "hydra.run.dir=trained")
    line = json.loads((stopped.folder / "stopped" / "history.jsonl").read_text().splitlines()[0])
    trained = json.loads((stopped.folder / "trained" / "architecture.json").read_text())
    assert trained["components"]["backbone"]["choices"] == line["choices"]
    assert "of stopped/epochs/0" in capsys.readouterr().out


def test_what_cannot_be_continued_is_refused_before_anything_is_written(stopped):
    for named, said in (
        ("nowhere", "expected a search by gradients"),
        ("trained", "a search that its guard has stopped"),
    ):
        with pytest.raises(SystemExit) as ended:
            stopped("search", *SEARCH, f"continue_from={named}", "hydra.run.dir=refused")
        assert f"continue_from = {named}: expected" in str(ended.value.code)
        assert said in str(ended.value.code)
        assert not list((stopped.folder / "refused").glob("**/*.yaml"))

"""Commands whose numbers or values cannot lead to a result end in words and with a code other than 0."""

import json
import os
import re
import socket
import sys
import time
from pathlib import Path

import pytest
from processes import start

from lightning_nas.cli import main

SPACE = ("space=nasbench201", "space.channels=4", "space.cells=1")
TINY = (
    "trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip
SEARCH = (*SPACE, *TINY, "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false")


def failure(here, name, *arguments):
    with pytest.raises(SystemExit) as stopped:
        here(name, *arguments)
    return str(stopped.value.code)


@pytest.mark.parametrize(
    "arguments",
    [
        ("strategy=single_path", "strategy.population=2", "strategy.rounds=1", "strategy.parents=1", "strategy.mutants=0",
         "strategy.crossovers=0", "search.epochs=1"),
        ("strategy=rsps", "search.epochs=1", "search.gradient_clip_val=null"),
        ("strategy=enas", "search.epochs=1", "search.warmup_epochs=0", "search.gradient_clip_val=null"),
        ("strategy=evolution", "evaluator=train", "evaluator.epochs=1", "trials.count=3", "trials.most_failures=2"),
    ],
    ids=["single_path", "rsps", "enas", "evolution"],
)  # fmt: skip
def test_a_search_whose_loss_is_no_number_finds_nothing(here, arguments):
    folder = here.folder / arguments[0].partition("=")[2]
    said = failure(here, "search", *SEARCH, *arguments, "task.lr=1e38", f"hydra.run.dir={folder.name}")
    assert "finite" in said or "loss is" in said
    assert not (folder / "architecture.json").exists()
    assert not (folder / "summary.json").exists()


def test_a_training_whose_loss_is_no_number_has_no_result(here):
    network = ("++network.channels=4", "++network.cells=2")
    said = failure(
        here, "train", "architecture=darts_v2", *network, *TINY, "epochs=1", "task.lr=1e38", "hydra.run.dir=nan"
    )
    assert "finite" in said or "loss is" in said
    assert not (here.folder / "nan" / "summary.json").exists()


def test_a_network_of_the_comparison_that_fails_is_left_out_of_it(here, monkeypatch):
    from lightning_nas.search.lightning.finite import FiniteTraining

    def fail_of_random(self, trainer, module):
        if "random_0" in str(trainer.default_root_dir):
            raise FloatingPointError("val/loss is nan after epoch 0")

    monkeypatch.setattr(FiniteTraining, "on_validation_end", fail_of_random)
    here(
        "search", *SEARCH, "evaluate.random=2", "strategy=random", "evaluator=zero_cost", "trials.count=1",
        "hydra.run.dir=left_out",
    )  # fmt: skip
    summary = json.loads((here.folder / "left_out" / "summary.json").read_text())
    assert [bool(entry["metrics"]) for entry in summary["comparison"]] == [True, False, True]
    page = (here.folder / "left_out" / "report.html").read_text()
    assert "The training of random 0 failed: val/loss is nan after epoch 0." in page


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("search.epochs=-1", "search.epochs = -1: expected at least 1"),
        ("search.epochs=0", "search.epochs = 0: expected at least 1"),
        ("seed=-1", "seed = -1: expected at least 0, at most 4294967295"),
        ("seed=4294967296", "seed = 4294967296"),
        ("max_time=0:0:0:x", "max_time"),
        ("max_time=00:99:00:00", "max_time"),
        ("max_time=00:00:00:00", "max_time"),
        ("max_time=-1:00:00:00", "max_time"),
        ("trials.count=0", "trials.count"),
        ("evaluate.epochs=0", "evaluate.epochs"),
        ("trainer.limit_train_batches=0", "trainer.limit_train_batches = 0: expected more than 0"),
        ("search.warmup_epochs=2", "search.warmup_epochs = 2: expected less than search.epochs = 2"),
    ],
)
def test_a_number_with_which_nothing_can_be_searched_is_refused(here, argument, said):
    message = failure(here, "search", *SEARCH, "strategy=darts", "search.epochs=2", argument, "hydra.run.dir=refused")
    assert said in message
    assert not (here.folder / "refused" / "checkpoints").exists()


def test_a_training_of_no_epochs_is_refused(here):
    assert "epochs = -1" in failure(here, "train", "architecture=darts_v2", "epochs=-1", "hydra.run.dir=refused")


def test_a_search_that_made_no_architecture_step_writes_no_architecture(here):
    message = failure(
        here, "search", *SEARCH, "strategy=darts", "search.epochs=2", "search.warmup_epochs=1", "+trainer.max_steps=1",
        "hydra.run.dir=ended",
    )  # fmt: skip
    assert "no architecture step was made" in message
    assert not (here.folder / "ended" / "architecture.json").exists()


@pytest.mark.parametrize("folder", ["file/run", "/proc/run"])
def test_a_folder_that_cannot_be_written_is_named(here, folder):
    (here.folder / "file").write_text("")
    assert f"hydra.run.dir = {folder}" in failure(here, "search", *SEARCH, f"hydra.run.dir={folder}")


def test_a_second_process_in_the_same_folder_is_refused(here, monkeypatch):
    from lightning_nas.commands import claim

    monkeypatch.setattr(claim, "PATIENCE_S", 0.1)
    with claim.alone_in(here.folder / "taken"):
        message = failure(here, "search", *SEARCH, "hydra.run.dir=taken")
    assert "another process is at work there" in message


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(here):
    for seed in range(2):
        here(
            "search", *SEARCH, "strategy=random", "evaluator=zero_cost", "evaluator.score=params", "trials.count=1",
            f"seed={seed}",
        )  # fmt: skip
    names = [folder.name for folder in (here.folder / "runs" / "search").iterdir()]
    assert len({name.rpartition("-")[2] for name in names}) == len(names) == 2
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-\d{6}", name) for name in names)


def test_a_sweep_whose_job_fails_ends_with_its_table_and_every_failure(here, capsys):
    message = failure(
        here, "search", "-m", *SEARCH, "strategy=random", "evaluator=zero_cost", "trials.count=1", "seed=0,1",
        "evaluate.draws=1,0", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert "2 of 4 jobs failed" in message
    assert message.count("evaluate.draws = 0: expected at least 1") == 2
    assert "seed=0" in message
    assert "seed=1" in message
    assert (here.folder / "sweep" / "table.csv").is_file()
    assert "±" in capsys.readouterr().out


# ---- ranks -------------------------------------------------------------------------------------------------------------


def test_lightning_starts_the_other_ranks_with_the_same_command(here, monkeypatch):
    """It takes ``sys.argv``, which Hydra reads without the command."""
    seen = []
    monkeypatch.setattr("lightning_nas.commands.train.run", lambda config: seen.append(list(sys.argv)))
    for arguments, argv in (
        (["lightning-nas", "train", "epochs=3"], None),
        (["train.py", "epochs=3"], ["train", "epochs=3"]),
    ):
        monkeypatch.setattr(sys, "argv", list(arguments))
        main(argv)
        assert seen.pop() == arguments


def first_rank():
    """As the installed command does: its own arguments, which the other rank gets as well."""
    import __main__

    __main__.__spec__ = None  # it is a script, not ``python -m``
    Path("installed.py").write_text("from lightning_nas.cli import main\n\nmain()\n")
    sys.argv = [
        "installed.py", "train", "architecture=darts_v2", "++network.channels=4", "++network.cells=2", *TINY, "epochs=1",
        "trainer.devices=2", "trainer.strategy=ddp", "hydra.run.dir=ranks",
    ]  # fmt: skip
    main()


def test_a_first_rank_that_cannot_bind_its_port_ends_all_with_a_sentence(tmp_path):
    """The other one would wait half an hour for it: who listens at the port never answers."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        first = start(first_rank, cwd=tmp_path, name="first", environment={"MASTER_PORT": port})
        code = first.wait(400)
        said = first.output.read_text()
        assert code == 1, said
        assert f"error: MASTER_PORT = {port}: another process listens there; name a free port" in said
        assert "Traceback" not in said
        for _ in range(600):  # both are of one process group
            try:
                os.killpg(first.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.1)
        else:
            first.kill()
            pytest.fail("the other rank is still waiting")

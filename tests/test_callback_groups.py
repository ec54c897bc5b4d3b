"""The groups ``callbacks`` and ``logger`` as a user chooses them: on one device or two, and after a kill."""

import csv
import json
from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_module
from lightning_utilities.core.imports import RequirementCache
from omegaconf import OmegaConf
from processes import rank_of_command, run_ranks
from test_commands import run_whole_and_broken

from lightning_nas.commands.check import check_members
from lightning_nas.commands.groups import members, register_training_keys
from lightning_nas.commands.schema import register_schemas
from lightning_nas.runs import RunFolder

TRAIN = (
    "architecture=darts_v2", "++network.channels=4", "++network.cells=2", "trainer.accelerator=cpu",
    "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip
BEST = ("callbacks=[best,early_stopping]", "callbacks.early_stopping.patience=2")
STOP = "callbacks=early_stopping"
SEARCH = (
    "space=nasbench201", "space.channels=4", "space.cells=1", "strategy=random", "evaluator=zero_cost", "trials.count=2",
    "evaluate.epochs=2", "evaluate.random=0", "evaluate.hand_made=false", "trainer.accelerator=cpu",
    "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip


def checkpoint(path):
    return torch.load(path, weights_only=True)


def columns(folder):
    with RunFolder(folder).metrics.open() as file:
        return list(csv.DictReader(file))


def test_a_killed_training_ends_with_the_same_best_network(tmp_path):
    arguments = [*TRAIN, *BEST, "epochs=4", "data.augmentation=light", "logger=csv"]
    whole, broken = run_whole_and_broken(tmp_path, "train", arguments, unwritten="summary.json")
    first, second = (checkpoint(RunFolder(folder).best_checkpoint) for folder in (whole, broken))
    assert all(torch.equal(value, second["state_dict"][name]) for name, value in first["state_dict"].items())
    assert first["epoch"] == second["epoch"]
    assert [row["epoch"] for row in columns(whole) if row["val/loss"]] == list("0123")
    # A kill between a checkpoint and the next flush of metrics.csv may lose a line of the training loss.
    lines = [[row["val/loss"] for row in columns(folder) if row["val/loss"]] for folder in (whole, broken)]
    assert lines[0] == lines[1]
    assert not list(tmp_path.rglob("events.*")), "logger=csv"
    tested = [json.loads((folder / "summary.json").read_text())["metrics"] for folder in (whole, broken)]
    assert tested[0] == tested[1]


def test_two_ranks_keep_one_network_and_end_together(here):
    two = ("trainer.devices=2", "trainer.strategy=ddp", "hydra.run.dir=two")
    run_ranks(
        rank_of_command,
        "train",
        *TRAIN,
        *BEST,
        "callbacks.early_stopping.min_delta=9",
        "epochs=9",
        *two,
        cwd=here.folder,
    )
    run = RunFolder(here.folder / "two")
    best, last = checkpoint(run.best_checkpoint), checkpoint(run.last_checkpoint)
    assert last["epoch"] == 2, "one rise from nothing, and two epochs without"
    scores = [float(row["val/accuracy"]) for row in columns(run.path) if row["val/accuracy"]]
    assert best["epoch"] == max(range(3), key=lambda epoch: scores[epoch])


@pytest.fixture(scope="module")
def searched(here):
    here("search", *SEARCH, "callbacks=best", "logger=csv", "hydra.run.dir=searched")
    return here.folder / "searched"


def test_networks_that_are_compared_are_those_of_their_best_epochs(searched):
    run = RunFolder(searched)
    assert run.trained_weights == run.found.best_checkpoint
    assert [path.parent.parent for path in searched.rglob("best.ckpt")] == [run.found.path]


def test_another_logger_goes_on_with_a_run_and_other_callbacks_do_not(here, searched):
    here("search", *SEARCH, "callbacks=best", "logger=tensorboard", "hydra.run.dir=searched")
    with pytest.raises(SystemExit, match=r"another command, from which this one differs in callbacks.best"):
        here("search", *SEARCH, "hydra.run.dir=searched")


def test_a_run_of_an_earlier_version_knows_no_groups_and_goes_on(here):
    here("train", *TRAIN, "epochs=1", "hydra.run.dir=earlier")
    config = OmegaConf.load(RunFolder(here.folder / "earlier").config)
    del config["callbacks"], config["logger"]
    OmegaConf.save(config, RunFolder(here.folder / "earlier").config)
    here("train", *TRAIN, "epochs=1", "hydra.run.dir=earlier")
    assert list((here.folder / "earlier").glob("events.*")), "TensorBoard is there unless it is taken out"
    assert not RunFolder(here.folder / "earlier").best_checkpoint.exists()


def test_callbacks_and_loggers_of_ones_own_need_no_code(here):
    own = "pytorch_lightning"
    here(
        "train", *TRAIN, "epochs=1", f"+callbacks.rate._target_={own}.callbacks.LearningRateMonitor",
        f"+logger.mine._target_={own}.loggers.CSVLogger", "+logger.mine.save_dir=${training:folder}/mine",
        "logger=csv", "hydra.run.dir=own",
    )  # fmt: skip
    assert any("lr-SGD" in row for row in columns(here.folder / "own"))
    assert list((here.folder / "own" / "mine").rglob("metrics.csv"))


def refused(here, *arguments):
    with pytest.raises(SystemExit) as stopped:
        here("train", *TRAIN, *arguments, "hydra.run.dir=refused")
    assert not (here.folder / "refused").exists()
    return str(stopped.value)


@pytest.mark.parametrize(("name", "package"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("many", "wandb")])
def test_a_logger_whose_package_is_missing_is_refused_before_any_work(here, monkeypatch, name, package):
    for module in ("wandb", "mlflow"):
        flag = f"pytorch_lightning.loggers.{module}._{module.upper()}_AVAILABLE"
        monkeypatch.setattr(flag, RequirementCache(f"{module}>=9999"))
    said = refused(here, f"logger={name}")
    assert said.startswith(f"error: logger.{package}: ")
    assert f"pip install -U '{package}" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([STOP, "callbacks.early_stopping.patience=0"], "callbacks.early_stopping: patience must be at least 1"),
        ([STOP, "callbacks.early_stopping.patience=soon"], "callbacks.early_stopping.patience = 'soon'"),
        ([STOP, "+callbacks.early_stopping.monitor=x"], "unknown key callbacks.early_stopping.monitor"),
        (["callbacks=none_such"], "there are best, default, early_stopping"),
        (["+callbacks.mine=3"], "callbacks.mine = 3: expected a component"),
        (["+callbacks.mine._target_=pytorch_lightning.callbacks.EarlyStopping"], "'monitor'"),
        (["+logger.mine._target_=nowhere.Logger"], "logger.mine._target_ = 'nowhere.Logger' cannot be imported"),
        (["callbacks=best", "+callbacks.best.folder=${training:place}"], "expected folder, name or id"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_named(here, arguments, said):
    assert said in refused(here, *arguments)


def test_every_training_of_a_run_has_a_name_and_an_id_of_its_own_that_stay(tmp_path, monkeypatch):
    register_schemas()
    register_training_keys()
    for name in ("WandbLogger", "MLFlowLogger"):  # which need packages that the tests do not
        monkeypatch.setattr(f"pytorch_lightning.loggers.{name}", type(name, (SimpleNamespace,), {}))
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        group = compose("search", ["logger=[wandb,mlflow]"]).logger
    run = RunFolder(tmp_path / "mine")
    wandb, mlflow = members(group, "logger", run.path, run.path)
    again, _ = members(group, "logger", run.path, run.path)
    found, _ = members(group, "logger", run.path, run.found.path)
    assert (wandb.name, mlflow.run_name, found.name) == ("mine", "mine", "mine/evaluation/found")
    assert wandb.id == again.id != found.id
    assert found.save_dir == str(run.found.path)
    assert mlflow.tracking_uri == "sqlite:///mlflow.db"


def test_the_loggers_of_others_take_what_their_configs_say():
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        check_members(compose("train", ["logger=many", "callbacks=[best,early_stopping]"]))

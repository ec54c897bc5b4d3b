"""Every kind of search from Python, without Hydra: a strategy, a job, an architecture."""

from dataclasses import replace

import optuna
import pytest
import pytorch_lightning as pl
from torch import nn
from toy_paths import SPACE, Data, Task

from lightning_nas.architecture import Architecture
from lightning_nas.errors import NasError
from lightning_nas.networks import inherit_from_run
from lightning_nas.runs import RunFolder
from lightning_nas.search import Job, Pretraining, SupernetSettings, Trainers, TrialsSettings, ZeroCostEvaluator, run
from lightning_nas.strategies import Darts, Enas, RandomSearch, Rsps, SinglePath


class OnBackbone(Task):
    """The task of the project, given its backbone."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


def job(folder, **arguments):
    settings = {"supernet": SupernetSettings(epochs=2, warmup_epochs=1), "trials": TrialsSettings(count=3)}
    trainers = Trainers({"accelerator": "cpu", "num_sanity_val_steps": 0, "limit_train_batches": 2})
    return Job(SPACE, Data(), OnBackbone, folder, **{"trainers": trainers, **settings, **arguments})


def evaluated_by_its_size(job):
    return ZeroCostEvaluator(job, score="params")


SEARCHES = {
    "gradient": (Darts(), {}),
    "evolution of paths": (
        SinglePath(population=2, rounds=1, parents=1, mutants=0, crossovers=0, recalibration_batches=1), {},
    ),
    "random paths": (Rsps(candidates=3, finalists=2, recalibration_batches=1), {}),
    "controller": (Enas(controller_steps=1, controller_batch=1, derive=2), {}),
    "trials": (RandomSearch(SPACE), {"evaluator": evaluated_by_its_size}),
    "trials of a sampler of Optuna": (optuna.samplers.RandomSampler(0), {"evaluator": evaluated_by_its_size}),
}  # fmt: skip


@pytest.mark.parametrize("name", SEARCHES)
def test_a_strategy_and_a_job_give_an_architecture(tmp_path, name):
    strategy, arguments = SEARCHES[name]
    tmp_path = tmp_path / "runs" / "new"
    work = job(tmp_path, **arguments)
    found = run(strategy, work)
    SPACE.validate(found.components["backbone"].choices)
    assert found.provenance == {"strategy": type(strategy).__name__, "seed": 0}
    assert Architecture.load(work.run.architecture) == found
    network = SPACE.network(found.components["backbone"].choices)
    if "trials" in name:
        with pytest.raises(FileNotFoundError, match="no supernet was trained there"):
            inherit_from_run(network, found, tmp_path)
    else:
        inherited = inherit_from_run(network, found, tmp_path)
        assert len(inherited.copied) > len(inherited.skipped)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert run(strategy, work) == found, "what has been found is read"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("strategy", "arguments", "said"),
    [
        (Darts(), {"supernet": SupernetSettings(epochs=1, warmup_epochs=1)}, "warmup_epochs = 1: expected less than"),
        (Darts(), {"pruner": optuna.pruners.MedianPruner()}, "pruner is given, but Darts has no trials"),
        (Rsps(), {"pretraining": Pretraining(Data(), OnBackbone)}, "pretraining is a stage of single-path search"),
        (RandomSearch(SPACE), {"pretraining": Pretraining(Data(), OnBackbone)}, "RandomSearch trains no supernet"),
        (RandomSearch(SPACE), {"trainers": Trainers({"accelerator": "cpu", "devices": 2})}, "on one device, got 2"),
        (RandomSearch(SPACE), {"trials": TrialsSettings(count=0), "evaluator": evaluated_by_its_size}, "count must be"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_any_work(tmp_path, strategy, arguments, said):
    with pytest.raises(NasError, match=said):
        run(strategy, job(tmp_path, **arguments))
    assert not list(tmp_path.iterdir())


def test_a_strategy_of_no_family_is_named(tmp_path):
    with pytest.raises(TypeError, match="expected an instance of GradientStrategy"):
        run("darts", job(tmp_path))


def test_a_task_without_a_forward_is_judged_too(tmp_path):
    class Headless(OnBackbone):
        forward = pl.LightningModule.forward

        def training_step(self, batch, batch_idx):
            return nn.functional.cross_entropy(Task.forward(self, batch[0]), batch[1])

        def validation_step(self, batch, batch_idx):
            self.log("val/loss", nn.functional.cross_entropy(Task.forward(self, batch[0]), batch[1]))

    strategy = Rsps(candidates=2, finalists=1, recalibration_batches=1, metric="-val/loss")
    run(strategy, replace(job(tmp_path), make_task=Headless))
    assert len(RunFolder(tmp_path).candidates.read_text().splitlines()) == 2

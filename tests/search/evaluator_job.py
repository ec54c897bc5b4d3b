"""A job that classifies digits, and a short study of it."""

from plain_trainers import plain_trainers

from lightning_nas.search import Job
from lightning_nas.search.trials.loop import Trials
from lightning_nas.search.trials.study import Objective, open_study
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import RandomSearch
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule

SPACE = NasBench201(channels=4, cells=1, in_channels=1, nodes=3)
CHOICES = {"cell.1.0": "nor_conv_3x3", "cell.2.0": "skip_connect", "cell.2.1": "nor_conv_1x1"}


def run(evaluator, count, pruner=None, sampler=None):
    objectives = [Objective(evaluator.metric)]
    study = open_study(None, "s", SPACE, objectives, sampler or RandomSearch(SPACE), pruner)
    Trials(SPACE, evaluator, objectives, count).run(study)
    return study


def job_in(folder):
    return Job(
        SPACE,
        DigitsDataModule(seed=0),
        make_task=lambda backbone: ClassificationTask(backbone=backbone, num_classes=10),
        folder=folder,
        trainers=plain_trainers({"accelerator": "cpu", "limit_train_batches": 3, "limit_val_batches": 2}),
    )

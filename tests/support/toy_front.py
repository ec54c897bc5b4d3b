"""A search for a front that is small enough for a test."""

from dataclasses import replace

import torch
from plain_trainers import plain_trainers
from torch.utils.data import DataLoader
from toy_elastic import SPACE, Student
from toy_paths import Data, Given, Task
from toy_project import QUIET

from lightning_nas.runs.settings import SupernetSettings
from lightning_nas.search import Job
from lightning_nas.strategies import Elastic

SPACE = replace(SPACE, depths=(2, 1))  # 12 networks


class ImageData(Data):
    in_channels, image_size = 1, (8, 8)

    def train_dataloader(self):
        loader = super().train_dataloader()
        return DataLoader(loader.dataset, self.batch_size, shuffle=True, generator=torch.Generator())


class OnNetwork(Student):
    """The same around any backbone: a supernet, or a network of it."""

    def __init__(self, backbone):
        super().__init__(Given(backbone))

    def training_step(self, batch, batch_idx):
        return Task.training_step(self, batch, batch_idx) if hasattr(self.backbone, "_path") else self.step_of(batch)

    def step_of(self, batch):
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])


def job_in(folder, space=SPACE, epochs=1, make_task=OnNetwork):
    quiet = {name: value for name, value in QUIET.items() if name == "enable_model_summary"}
    trainers = plain_trainers({"accelerator": "cpu", "num_sanity_val_steps": 0, **quiet})
    return Job(
        space, datamodule=ImageData(batch_size=12), make_task=make_task, folder=folder, trainers=trainers,
        supernet=SupernetSettings(epochs=epochs),
    )  # fmt: skip


def settings(**arguments):
    return Elastic(**{"recalibration_batches": 2, "exhaustive": 40, "front_size": 3, **arguments})

"""A search with ENAS, small enough for a test."""

import torch
from toy_paths import Data, Task, make_trainer

from lightning_nas.search import ControllerPhase, SeedBatches, WeightsHalf
from lightning_nas.strategies import Enas

QUICK = {"policy": "independent", "lr": 0.1, "controller_steps": 3, "controller_batch": 2, "derive": 5}


def fit(epochs=2, checkpoint=None, task=None, phase=None, warmup_epochs=0, callbacks=(), trainer=None, **settings):
    task = task or Task()
    phase = phase or ControllerPhase(Enas(**{**QUICK, **settings}), warmup_epochs=warmup_epochs)
    arguments = {"limit_val_batches": 1, **(trainer or {})}
    trainer = make_trainer(epochs, callbacks=[SeedBatches(0), phase, *callbacks], **arguments)
    trainer.fit(task, datamodule=WeightsHalf(Data()), ckpt_path=checkpoint)
    return task, phase, trainer


def flat(module):
    return torch.cat([value.detach().flatten().double() for value in module.state_dict().values()])

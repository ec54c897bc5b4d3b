"""A search in stages that keep their weights, on a toy: its rates, and what every epoch has done to the logits."""

import os

import pytorch_lightning as pl
import torch
from plain_trainers import plain_trainers
from toy_paths import Data, Given, Task

from lightning_nas.search import Job, SupernetSettings, run
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.stages import Widening

SPACE = NasBench201(channels=8, cells=1, in_channels=1, nodes=3)
STEPS = 2  # of an epoch


class OnBackbone(Task):
    """Trained with momentum, at a rate that falls as a cosine over all epochs of its Trainer."""

    def __init__(self, backbone):
        super().__init__(Given(backbone))

    def configure_optimizers(self):
        grouped = [{"params": list(self.head.parameters()), "weight_decay": 0.0}]
        grouped += [{"params": list(self.backbone.parameters())}]
        optimizer = torch.optim.SGD(grouped, 0.05, momentum=0.9, weight_decay=1e-3)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.trainer.max_epochs)]


class Watching(pl.Callback):
    """Notes per epoch its number, the rate of the weights and whether the logits rest; may end the process, as it were."""

    def __init__(self, seen, killed_at=None):
        self.seen, self.killed_at = seen, killed_at

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
            self.seen.append((trainer.current_epoch, rates, pl_module.logits_frozen))
        if self.killed_at == (trainer.current_epoch, batch_idx):
            raise KilledError


class KilledError(Exception):
    """In the place of a signal."""


def widening(sampler="dirichlet", parts=4, **arguments):
    stages = Widening(**{"options": [3], "partial_channels": [2], **arguments})
    return Darts(lr=0.1, sampler=sampler, partial_channels=parts, stages=stages)


def job(folder, *, seen=None, killed_at=None, space=SPACE, epochs=2, warmup=1, trainer=None, **arguments):
    pl.seed_everything(0, verbose=False)  # as a command does
    settings = SupernetSettings(epochs=epochs, warmup_epochs=warmup)
    quiet = {"accelerator": "cpu", "num_sanity_val_steps": 0, "limit_val_batches": 0, "limit_train_batches": STEPS}
    trainers = plain_trainers(
        {**quiet, **(trainer or {})},
        callbacks=lambda place: [] if seen is None else [Watching(seen, killed_at)],
    )
    return Job(space, Data(batch_size=12), OnBackbone, folder, trainers=trainers, supernet=settings, **arguments)


def checkpoint(run):
    return torch.load(run.last_checkpoint, weights_only=True)


def rank(folder):
    """One rank (or the only process) of such a search: what it has found, and what its last stage has left."""
    ranks, number = (int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", "1"), ("RANK", "0")))
    several = {"devices": ranks, "strategy": "ddp"} if ranks > 1 else {}
    found = run(widening(), job(folder, trainer=several))
    torch.save({"found": found.to_json(), "state": checkpoint(job(folder).run)["state_dict"]}, f"{folder}.{number}")

"""Scaled learning rates: every step of a schedule has the factor, and a training that goes on keeps it."""

import pytest
import pytorch_lightning as pl
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from lightning_nas.search.lightning.rates import scale_rates

STEPS = 6


def warm_then_cosine(optimizer):
    warm = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2)
    return lr_scheduler.SequentialLR(optimizer, [warm, lr_scheduler.CosineAnnealingLR(optimizer, 4)], [2])


SCHEDULES = {
    "none": None,
    "step": lambda optimizer: lr_scheduler.StepLR(optimizer, 2),
    "lambda": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step)),
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS),
    "poly": lambda optimizer: lr_scheduler.PolynomialLR(optimizer, STEPS, 0.9),
    "sequential": warm_then_cosine,
    "one cycle": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=STEPS + 1),
    "plateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
}


class Project(pl.LightningModule):
    def __init__(self, make):
        super().__init__()
        self.make, self.layer, self.rates = make, torch.nn.Linear(1, 1), []

    def training_step(self, batch, batch_idx):
        self.rates.append([group["lr"] for group in self.optimizers().param_groups])
        loss = self.layer(batch).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        groups = [{"params": [self.layer.weight]}, {"params": [self.layer.bias], "lr": 0.05}]
        optimizer = torch.optim.SGD(groups, lr=0.5)
        if self.make is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.make(optimizer), "monitor": "loss"}}


def rates(make, folder, factor, *, epochs=STEPS, resume=None):
    module = Project(make)
    if factor is not None:
        scale_rates(module, factor)
    checkpoint = pl.callbacks.ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[checkpoint],
    )  # fmt: skip
    trainer.fit(module, DataLoader(torch.ones(1, 1)), ckpt_path=resume)
    return module.rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_step_has_the_factor_also_after_an_interruption(name, tmp_path):
    plain = rates(SCHEDULES[name], tmp_path / "plain", None)
    scaled = rates(SCHEDULES[name], tmp_path / "scaled", 0.1)
    for ours, theirs in zip(scaled, plain, strict=True):
        assert ours == pytest.approx([rate * 0.1 for rate in theirs])
    begun = rates(SCHEDULES[name], tmp_path / "broken", 0.1, epochs=3)
    rest = rates(SCHEDULES[name], tmp_path / "broken", 0.1, resume=tmp_path / "broken" / "last.ckpt")
    assert [*begun, *rest] == scaled


def test_optimizers_and_schedules_in_two_lists():
    module = Project(None)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    module.configure_optimizers = lambda: ([optimizer], [{"scheduler": schedule}])
    scale_rates(module, 0.5)
    module.configure_optimizers()
    assert (optimizer.param_groups[0]["lr"], schedule.base_lrs, schedule.get_last_lr()) == (0.25, [0.25], [0.25])

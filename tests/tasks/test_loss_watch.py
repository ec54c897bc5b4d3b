"""Loss terms that stand still are named, once."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.tasks.images.loss_watch import LossWatch


def feed(values, **arguments):
    watch = LossWatch(**arguments)
    return [watch.epoch({"train/boxes": value, "train/classes": 1 / (1 + i)}) for i, value in enumerate(values)]


def test_a_term_at_its_worst_value_is_named_once():
    with pytest.warns(UserWarning, match="train/boxes stands still at its worst value, 0.9999, for 3 epochs"):
        named = feed([1.0, 1.0, 0.9999, 1.0, 1.0])
    assert named == [[], [], ["train/boxes"], [], []]


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 0.99, 0.98, 0.97],  # falls slowly
        [1.0, 0.3, 0.3, 0.3, 0.3],  # has fallen, and stands
        [0.0, 0.0, 0.0, 0.0],  # nothing to learn from this term
        [1.0, 1.0],  # too early to say
    ],
)
def test_a_term_that_falls_is_not_named(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not any(feed(values))


def test_a_term_that_rises_and_stays_is_named():
    with pytest.warns(UserWarning, match="train/boxes"):
        assert feed([0.2, 0.9, 0.9, 0.9])[-1] == ["train/boxes"]


class Dead(pl.LightningModule):
    """One term falls, the other is that of an output whose ReLU has died."""

    def __init__(self):
        super().__init__()
        self.live, self.dead = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        torch.nn.init.constant_(self.dead.bias, -50.0)
        self.watch = LossWatch()

    def training_step(self, batch, batch_idx):
        (x,) = batch
        losses = {"train/live": self.live(x).square().mean(), "train/dead": (self.dead(x).relu() - 1).square().mean()}
        self.log_dict(losses, on_epoch=True, on_step=False)
        return sum(losses.values())

    def on_train_epoch_end(self):
        self.watch.epoch_of(self)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_training_names_the_term_that_is_dead(tmp_path):
    data = DataLoader(TensorDataset(torch.rand(8, 1)), batch_size=4)
    trainer = pl.Trainer(max_epochs=4, accelerator="cpu", default_root_dir=tmp_path, logger=False,
                         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    with pytest.warns(UserWarning, match="train/dead stands still") as caught:
        trainer.fit(Dead(), data)
    assert not [entry for entry in caught if "train/live" in str(entry.message)]

"""Numbers that are no numbers end a training, a trial, a candidate."""

import json
import math

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.runs import RunFolder
from lightning_nas.search.headline import validation_score
from lightning_nas.search.lightning.finite import FiniteTraining
from lightning_nas.search.paths.scoring import best_of
from lightning_nas.strategies.paths.shortlist import Shortlist


class Line(pl.LightningModule):
    """Learns nothing; its losses are what a test wants."""

    def __init__(self, train=0.0, val=0.0, test=0.0, weight=0.0):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.values, self.weight = {"train": train, "val": val, "test": test}, weight

    def _loss(self, batch, stage):
        loss = self.layer(batch[0]).mean() * 0 + self.values[stage]
        self.log(f"{stage}/loss", loss)
        return loss

    def training_step(self, batch, batch_idx):
        loss = self._loss(batch, "train") if batch_idx == 1 else self.layer(batch[0]).mean()
        if self.weight:
            self.layer.weight.data.fill_(self.weight)
        return loss

    def validation_step(self, batch, batch_idx):
        self._loss(batch, "val")

    def test_step(self, batch, batch_idx):
        self._loss(batch, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder, **values):
    data = DataLoader(TensorDataset(torch.ones(3, 1)))
    checkpoint = pl.callbacks.ModelCheckpoint(folder, filename="last")
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[FiniteTraining(), checkpoint], default_root_dir=folder,
    )  # fmt: skip
    module = Line(**values)
    trainer.fit(module, data, data)
    trainer.test(module, data, verbose=False)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"train": math.nan}, "the loss is nan in epoch 0, batch 1"),
        ({"train": math.inf}, "the loss is inf in epoch 0, batch 1"),
        ({"weight": math.nan}, "weights are not finite after epoch 0|the loss is nan"),
        ({"val": math.nan}, "val/loss is nan"),
    ],
)
def test_a_training_with_a_number_that_is_none_leaves_no_checkpoint(tmp_path, values, said):
    with pytest.raises(FloatingPointError, match=said):
        fit(tmp_path, **values)
    assert not (tmp_path / "last.ckpt").exists()


def test_a_test_whose_loss_is_no_number_is_no_result(tmp_path):
    with pytest.raises(FloatingPointError, match="test/loss is inf"):
        fit(tmp_path, test=math.inf)


def test_finite_numbers_pass(tmp_path):
    fit(tmp_path)
    assert (tmp_path / "last.ckpt").is_file()


def test_an_accuracy_beside_a_loss_that_is_no_number_is_none():
    assert validation_score({"val/accuracy": 0.5, "val/loss": 1.0}, "val/accuracy") == ("val/accuracy", 0.5)
    assert math.isnan(validation_score({"val/accuracy": 0.5, "val/loss": math.nan}, "val/accuracy")[1])


class Alone:
    is_global_zero = True


def choose(run, scores, measured):
    candidates = Shortlist([{"a": index} for index in range(len(scores))])

    def measure(choices):
        measured.append(choices["a"])
        return scores[choices["a"]]

    return best_of(candidates, measure, run, Alone(), total=candidates.total, title="paths")


def test_a_candidate_without_a_finite_score_has_failed_and_the_file_stays_json(tmp_path):
    run, measured = RunFolder(tmp_path), []
    assert choose(run, [math.nan, 0.25, math.inf], measured) == {"a": 1}
    lines = [json.loads(line, parse_constant=pytest.fail) for line in run.candidates.read_text().splitlines()]
    assert [line["fitness"] for line in lines] == [None, 0.25, None]
    assert choose(run, [1.0, 0.25, 1.0], measured) == {"a": 1}, "what has failed stays so"
    assert measured == [0, 1, 2]


def test_candidates_that_have_all_failed_are_no_success(tmp_path):
    with pytest.raises(FloatingPointError, match="paths: no candidate has a score that is a finite number"):
        choose(RunFolder(tmp_path), [math.nan, math.nan], [])

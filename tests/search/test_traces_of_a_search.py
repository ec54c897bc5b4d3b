"""A search leaves the traces of its weight steps in the user's module, and no others."""

import collections
import copy

import pytest
import torch
import torchmetrics
from torch import nn
from toy_project import FAMILIES, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def counting(toy):
    class Counting(toy.Project):
        """Keeps books in ``training_step`` as projects do: metrics, a queue, a teacher, running means."""

        def __init__(self):
            super().__init__()
            self.seen, self.order, self.queue = 0, [], collections.deque(maxlen=2)
            self.metric = torchmetrics.MeanMetric()
            self.norm = nn.BatchNorm1d(3)
            self.teacher = copy.deepcopy(self.head).requires_grad_(False)
            self.register_buffer("bank", torch.zeros(()))
            self.transferred = 0

        def on_after_batch_transfer(self, batch, dataloader_idx):
            self.transferred += 1
            return batch

        def training_step(self, batch, batch_idx):
            self.seen += 1
            self.order.append(batch_idx)
            self.queue.append(batch_idx)
            self.bank += len(batch[1])
            with torch.no_grad():
                for mine, theirs in zip(self.teacher.parameters(), self.head.parameters(), strict=True):
                    mine.lerp_(theirs, 0.1)
            loss = super().training_step(batch, batch_idx)
            self.norm(torch.randn(4, 3))
            self.metric(loss.detach())
            self.log("train/metric", self.metric, on_step=False, on_epoch=True)
            if self.logger is not None:
                self.logger.log_metrics({"own": 1.0}, step=self.seen)
            return loss

    return Counting()


@pytest.mark.parametrize(
    "strategy", [Darts(), Darts(order=2), Darts(order=2, hessian="exact")], ids=["first", "second", "exact"]
)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_only_the_weight_step_leaves_traces(toy, tmp_path, strategy, accumulate):
    logger = toy.pl.loggers.CSVLogger(tmp_path, name="", version="")
    model = counting(toy)
    start = copy.deepcopy(model.teacher.weight)
    steps = []

    class Watch(toy.pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            steps.append(model.head.weight.detach().clone())

        def on_train_epoch_end(self, trainer, pl_module):
            assert model.metric._update_count == 3

    trainer = toy.make_trainer(
        1, logger=logger, log_every_n_steps=1, accumulate_grad_batches=accumulate, callbacks=[Watch()]
    )
    trainer.fit(SearchModule(model, strategy), BilevelDataModule(toy.Data()))
    assert (model.seen, model.order, list(model.queue), int(model.bank)) == (3, [0, 1, 2], [1, 2], 24)
    assert model.transferred == 3
    assert int(model.norm.num_batches_tracked) == 3
    assert {int(m.num_batches_tracked) for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)} <= {0, 3}
    expected = start
    for weight in steps:
        expected = expected.lerp(weight, 0.1)
    torch.testing.assert_close(model.teacher.weight, expected)
    assert sum("own" in line for line in [(tmp_path / "metrics.csv").read_text().splitlines()[0]]) == 1
    assert sum(row["own"] == "1.0" for row in rows(tmp_path / "metrics.csv")) == 3


def rows(path):
    import csv

    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_frozen_copy_of_the_supernet_is_a_teacher_and_no_second_supernet():
    toy = project_of(FAMILIES[0])

    class Taught(toy.Project):
        def __init__(self):
            super().__init__()
            self.teacher = copy.deepcopy(self.backbone).requires_grad_(False)

        def training_step(self, batch, batch_idx):
            with torch.no_grad():
                goal = self.teacher(batch[0])[-1]
            return super().training_step(batch, batch_idx) + (self.backbone(batch[0])[-1] - goal).square().mean()

    model = Taught()
    search = SearchModule(model, Darts())
    assert search.supernet is model.backbone
    before = {name: p.clone() for name, p in model.teacher.named_parameters()}
    toy.make_trainer(1).fit(search, BilevelDataModule(toy.Data()))
    assert all(torch.equal(p, before[name]) for name, p in model.teacher.named_parameters())

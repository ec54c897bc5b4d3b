"""A user's own network in their own LightningModule: trained on sampled parts, judged, and searched, in three lines."""

import random

import pytest
import pytorch_lightning as pl
import torch
from own_networks import UNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lightning_nas
from lightning_nas.search import Job, SampledPaths, SupernetSettings, TrainEvaluator, TrialsSettings, recalibrate, run
from lightning_nas.strategies import Elastic, RandomSearch, SinglePath

QUIET = {
    "accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
    "enable_model_summary": False,
}  # fmt: skip


class Segmenter(pl.LightningModule):
    """As a user writes it: a network, a loss, an optimizer."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def training_step(self, batch, batch_idx):
        images, masks = batch
        loss = nn.functional.cross_entropy(self.net(images), masks)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        images, masks = batch
        self.log("val/loss", nn.functional.cross_entropy(self.net(images), masks))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Halves(pl.LightningDataModule):
    """Images whose brighter pixels are another class."""

    def prepare_data(self):
        self.in_channels = 3

    def setup(self, stage):
        images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        self.data = TensorDataset(images, (images.mean(1) > 0.5).long())

    def train_dataloader(self):
        return DataLoader(self.data, batch_size=4)

    def val_dataloader(self):
        return DataLoader(self.data, batch_size=8)


def elastic_unet():
    torch.manual_seed(0)
    return lightning_nas.elastic(UNet(classes=2), torch.rand(1, 3, 8, 8))


def test_sampled_parts_learn_and_the_best_is_an_ordinary_network():
    net = elastic_unet()
    model = Segmenter(net)
    before = {name: p.detach().clone() for name, p in net.model.named_parameters()}
    trainer = pl.Trainer(max_epochs=8, callbacks=[SampledPaths(seed=0)], **QUIET)
    trainer.fit(model, datamodule=Halves())
    assert all(not torch.equal(p, before[name]) for name, p in net.model.named_parameters() if p.dim() > 1)

    data = Halves()
    data.setup("fit")
    losses = {}
    for choices in (net.space.largest(), net.space.smallest(), net.space.sample(random.Random(1))):
        net.activate(choices)
        recalibrate(net, (images for images, _ in data.train_dataloader()), net)
        (inherited,) = trainer.validate(model, datamodule=data, verbose=False)
        (alone,) = trainer.validate(Segmenter(net.network(choices)), datamodule=data, verbose=False)
        assert alone["val/loss"] == pytest.approx(inherited["val/loss"], abs=1e-5)
        losses[choices["stem.0.width"]] = alone["val/loss"]
    assert losses[8] < 0.69  # of two classes, drawn by lot, 0.693


def test_recalibration_is_of_the_active_channels_alone():
    net = elastic_unet()
    norm = net.model.stem[1]
    before = norm.running_mean.clone()
    net.activate(net.space.smallest())
    recalibrate(net, [torch.rand(4, 3, 8, 8)], net)
    kept = net.get_buffer("order_0")[:4]
    assert set((norm.running_mean != before).nonzero().flatten().tolist()) == set(kept.tolist())
    assert torch.equal(net.network(net.space.smallest()).stem[1].running_mean, norm.running_mean[kept.sort().values])


def test_a_single_path_search_chooses_a_part(tmp_path):
    net = elastic_unet()
    job = Job(net.space, Halves(), Segmenter, tmp_path, supernet=SupernetSettings(epochs=1, warmup_epochs=0))
    settings = {"population": 4, "rounds": 1, "parents": 2, "mutants": 1, "crossovers": 1, "recalibration_batches": 2}
    found = run(SinglePath(metric="val/loss", **settings), job)
    assert type(net.network(found)) is UNet
    assert lightning_nas.Architecture.load(tmp_path / "architecture.json").components["network"].space == "own_network"


def test_a_search_that_trains_every_part_by_itself_takes_it_as_well(tmp_path):
    net = elastic_unet()
    job = Job(
        net.space, Halves(), Segmenter, tmp_path,
        trials=TrialsSettings(count=2), evaluator=lambda job: TrainEvaluator(job, epochs=1),
    )  # fmt: skip
    found = run(RandomSearch(net.space), job)
    assert type(net.network(found)) is UNet


class Measured(Segmenter):
    """The same, with what the cost of a network is counted by."""

    input_size = (3, 8, 8)

    def __init__(self, net):
        super().__init__(net)
        self.backbone = net

    def forward(self, x):
        return self.net(x)


def test_a_search_for_a_front_keeps_parts_with_their_weights(tmp_path):
    net = elastic_unet()
    job = Job(net.space, Halves(), Measured, tmp_path, supernet=SupernetSettings(epochs=1, warmup_epochs=0))
    settings = {"recalibration_batches": 2, "exhaustive": 6, "front_size": 2, "metric": "val/loss"}
    settings |= {"initial": 6, "rounds": 1, "per_round": 3, "population": 6, "generations": 3}
    found = run(Elastic(**settings), job)
    assert type(net.network(found)) is UNet
    assert job.run.front_record.is_file()

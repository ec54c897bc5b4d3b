"""The search step beside the loop that a paper would print, batch by batch, in float64."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts

CLIP = 0.5


def seed(epoch, batch):
    """As a search starts every batch, so that dropout draws the same."""
    number = int(np.random.SeedSequence([0, 0, epoch, batch]).generate_state(1)[0])
    for generator in (random.seed, np.random.seed, torch.manual_seed):
        generator(number)


def textbook(model, data, epochs):
    """Liu et al. 2019, algorithm 1 with xi = 0: both losses go back to all parameters."""
    logits = list(model.backbone.logits.values())
    weights = [p for p in model.parameters() if not any(p is group for group in logits)]
    sgd = torch.optim.SGD(weights, 0.05, momentum=0.9, weight_decay=1e-3)
    adam = torch.optim.Adam(logits, 0.05, betas=(0.5, 0.999), weight_decay=1e-3)
    model.log = lambda *arguments, **settings: None
    for epoch in range(epochs):
        data._epoch = lambda number=epoch: number
        for index, (batch, _, _) in enumerate(data.train_dataloader()):
            seed(epoch, index)
            batch = {half: (images.double(), labels) for half, (images, labels) in batch.items()}
            for group in logits:
                group.grad = torch.zeros_like(group)  # one that the loss does not reach decays, as in the authors' code
            model.training_step(batch["architecture"], index).backward()
            adam.step()
            model.zero_grad()
            model.training_step(batch["weights"], index).backward()
            nn.utils.clip_grad_norm_(weights, CLIP)
            sgd.step()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_weights_and_logits_are_those_of_the_textbook(toy, dropout):
    ours, theirs = (toy.Project(dropout=dropout).double() for _ in range(2))
    trainer = toy.make_trainer(3, precision="64-true", gradient_clip_val=CLIP)
    trainer.fit(SearchModule(ours, Darts(lr=0.05)), BilevelDataModule(toy.Data()))
    textbook(theirs, BilevelDataModule(toy.Data()), 3)
    start = dict(toy.Project(dropout=dropout).double().named_parameters())
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-15, msg=lambda text, n=name: f"{n}: {text}")
        assert not torch.equal(mine, start[name]) or mine.numel() == 0, name

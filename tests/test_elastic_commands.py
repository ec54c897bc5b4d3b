"""The strategy ``elastic`` from the command line: a front, one of its networks tuned and loaded."""

import json
from pathlib import Path

import torch

import lightning_nas

SEARCH = [
    "space=chain_small", "strategy=elastic", "strategy.rule=sandwich", "strategy.networks=1", "strategy.distillation=0.5",
    "strategy.initial=4", "strategy.rounds=1", "strategy.per_round=2", "strategy.population=4", "strategy.generations=2",
    "strategy.recalibration_batches=1", "strategy.front_size=2", "trainer.accelerator=cpu", "trainer.limit_train_batches=3",
    "trainer.limit_val_batches=1", "trainer.limit_test_batches=1", "data.batch_size=16", "search.epochs=1",
    "search.warmup_epochs=0", "logger=csv", "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false",
]  # fmt: skip
TRAIN = ["epochs=1", "trainer.accelerator=cpu", "trainer.limit_train_batches=1", "trainer.limit_test_batches=1"]


def test_a_search_leaves_networks_that_are_ready_to_use(here, capfd):
    here("search", *SEARCH, "hydra.run.dir=run")
    front = lightning_nas.load_front("run")
    record = json.loads(Path("run/front.json").read_text())
    assert 1 <= len(front) == len(record["networks"]) <= 2
    assert record["measured"] >= 4
    model = front.best().model()
    assert model(torch.zeros(2, 1, 8, 8)).shape[0] == 2
    assert "at this multiply-adds (M)" in Path("run/report.html").read_text()
    capfd.readouterr()
    here("train", "architecture=run/front/0", *TRAIN, "hydra.run.dir=tuned")
    said = capfd.readouterr().out
    count = len(front[0].model().state_dict())
    assert f"{count} tensors start from run/front/0/weights.safetensors, 0 anew" in said
    backbone = lightning_nas.load_backbone("run/front/0")
    torch.testing.assert_close(dict(backbone.named_parameters()), dict(front[0].model().backbone.named_parameters()))

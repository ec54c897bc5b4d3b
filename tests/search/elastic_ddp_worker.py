"""One of two ranks of a training of many networks; run by test_elastic_ddp.py."""

import os

import torch
from toy_elastic import fit

from lightning_nas.strategies import Elastic


def main(out: str) -> None:
    rules = Elastic(rule="sandwich", distillation=0.5)
    task, _ = fit(rules, devices=2, strategy="ddp_find_unused_parameters_true", limit_val_batches=0)
    state = {"active": task.active, "trained_on": task.trained_on, "weights": dict(task.named_parameters())}
    torch.save(state, f"{out}.{os.environ['RANK']}")

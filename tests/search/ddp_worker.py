"""One rank (or the only process) of several searches, one after the other; run by test_ddp.py."""

import os

import torch
from toy_project import FAMILIES, SPACE, TWO_NODES, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts

STRATEGIES = {
    "first": lambda: Darts(lr=0.05),
    "second": lambda: Darts(order=2, lr=0.05),
    "exact": lambda: Darts(order=2, hessian="exact", lr=0.05),
    "single": lambda: Darts(level="single", lr=0.05),
    "gdas": lambda: Darts(sampler="gumbel_hard", lr=0.05),
}


def search(toy, kind: str, ranks: int, batch_size: int, ddp: str) -> dict:
    torch.manual_seed(0)
    strategy = ddp if ranks > 1 else "auto"
    trainer = toy.make_trainer(2, devices=ranks, strategy=strategy, precision="64-true", accumulate_grad_batches=2)
    module = SearchModule(
        toy.Project(TWO_NODES if kind == "gdas" else SPACE, batch_norm=False), STRATEGIES[kind](), gradient_clip_val=1.0
    )
    trainer.fit(module, BilevelDataModule(toy.Data(batch_size)))
    return {"state": module.model.state_dict(), "steps": trainer.global_step}


def main(out: str, batch_size: int) -> None:
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    results = {}
    for family in FAMILIES:
        toy = project_of(family)
        for kind in STRATEGIES:
            ddp = "ddp_find_unused_parameters_true" if kind == "gdas" else "ddp"
            results[family, kind] = search(toy, kind, ranks, batch_size, ddp)
        if ranks > 1:
            try:
                search(toy, "gdas", ranks, batch_size, "ddp")
            except ValueError as error:
                results[family, "refusal"] = str(error)
    torch.save(results, f"{out}.{rank}")

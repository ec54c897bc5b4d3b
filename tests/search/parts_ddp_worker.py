"""One rank (or the only process) of several searches with parts, one after the other; run by test_parts_ddp.py."""

import os

import torch
from toy_project import SPACE, TWO_NODES, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.guards import Eigenvalue, Oles
from lightning_nas.strategies.gradient.perturbations import Adversarial
from lightning_nas.strategies.gradient.samplers import GumbelHard


class Remembering(GumbelHard):
    """Keeps what it has drawn."""

    def __init__(self, *, tau_start=10.0, tau_end=0.1):
        super().__init__(tau_start=tau_start, tau_end=tau_end)
        self.drawn = []

    def sample(self, logits, generator):
        weights = super().sample(logits, generator)
        self.drawn.append(weights.active)
        return weights


PARTS = {
    "dirichlet": lambda: {
        "sampler": "dirichlet",
        "partial_channels": 2,
        "terms": {"beta_decay": 5.0, "distance": 0.1},
    },
    "sigmoid": lambda: {"sampler": "sigmoid", "terms": {"zero_one": 10.0}},
    "auxiliary": lambda: {"auxiliary_skip": 1.0, "edge_weights": True},
    "eigenvalue": lambda: {"guard": Eigenvalue(every=1, delay=1, window=1, start=1, factor=1.0, tolerance=1e-6)},
    "oles": lambda: {"guard": Oles(threshold=-0.2, window=1)},
    "adversarial": lambda: {"perturbation": Adversarial(size=0.3, steps=2)},
    "gumbel_hard": lambda: {"sampler": Remembering()},
}


def search(kind: str, ranks: int, batch_size: int) -> dict:
    toy = project_of("pytorch_lightning")
    torch.manual_seed(0)
    strategy = Darts(lr=0.05, **PARTS[kind]())
    ddp = "ddp_find_unused_parameters_true" if strategy.needs_unused_parameters else "ddp"
    epochs = 4 if strategy.guard is not None else 2  # guards look back
    space = TWO_NODES if strategy.needs_unused_parameters or strategy.guard is not None else SPACE
    own = {"devices": ranks, "strategy": ddp if ranks > 1 else "auto"}
    trainer = toy.make_trainer(epochs, precision="64-true", limit_train_batches=2, **own)
    module = SearchModule(toy.Project(space, batch_norm=False), strategy, gradient_clip_val=1.0)
    trainer.fit(module, BilevelDataModule(toy.Data(batch_size)))
    return {
        "state": module.model.state_dict(),
        "steps": trainer.global_step,
        "choices": module.choices(),
        "trace": getattr(strategy.guard, "trace", {}),
        "stopped": strategy.stopped,
        "frozen": getattr(strategy.guard, "frozen", []),
        "drawn": getattr(strategy.sampler, "drawn", []),
    }


def main(out: str, batch_size: int) -> None:
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    torch.save({kind: search(kind, ranks, batch_size) for kind in PARTS}, f"{out}.{rank}")

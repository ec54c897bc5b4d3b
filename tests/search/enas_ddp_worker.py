"""One of two ranks of a search with ENAS; run by test_enas.py."""

import os

import torch
from toy_paths import Data, Task, make_trainer

from lightning_nas.search import ControllerPhase, WeightsHalf
from lightning_nas.strategies import Enas


def main(out: str) -> None:
    phase = ControllerPhase(Enas(policy="independent", lr=0.1, controller_steps=2, controller_batch=3, derive=4))
    task, scores = Task(), []
    learn = phase.strategy.controller
    phase.strategy.controller = lambda space: watched(learn(space), scores)
    trainer = make_trainer(
        2, devices=2, strategy="ddp_find_unused_parameters_true", callbacks=[phase], limit_val_batches=0
    )
    trainer.fit(task, datamodule=WeightsHalf(Data()))
    choices, score = phase.derive(trainer, task)
    state = {"policy": phase.controller.policy.state_dict(), "task": task.state_dict(), "scores": scores}
    state |= {"paths": task.paths, "batches": task.batches, "trained_on": task.trained_on, "judged_on": task.judged_on}
    state["best"] = [choices, score]
    torch.save(state, f"{out}.{os.environ['RANK']}")


def watched(controller, scores):
    learn = controller.learn
    controller.learn = lambda drawn, given: (scores.extend(given), learn(drawn, given))[1]
    return controller

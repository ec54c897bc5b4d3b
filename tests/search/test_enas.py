"""ENAS: the turns of a controller with an ordinary training."""

import random

import enas_ddp_worker
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from enas_search import QUICK, fit, flat
from processes import run_ranks
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from toy_paths import SPACE, Data, Task, make_trainer

from lightning_nas.search import ControllerPhase, WeightsHalf
from lightning_nas.spaces import EnasMacro
from lightning_nas.strategies import Enas

MACRO = EnasMacro(channels=2, layers=4)


# ---- the two phases ------------------------------------------------------------------------------------------------------


def test_an_epoch_moves_the_weights_of_its_paths_and_nothing_else():
    before = {name: value.clone() for name, value in Task().state_dict().items()}
    task, phase, _ = fit(epochs=1, warmup_epochs=1)
    assert torch.equal(flat(phase.controller.policy), flat(Enas(**QUICK).controller(SPACE).policy))
    used = {(edge, option) for path in task.paths for edge, (option,) in enumerate(path["cell"])}
    assert 0 < len(used) < 15
    candidates = 0
    for name, value in task.state_dict().items():
        if ".candidates." in name and name.endswith(("conv.weight", "running_mean")):
            edge, option = int(name.split(".edges.")[1].split(".")[0]), int(name.split(".candidates.")[1].split(".")[0])
            assert torch.equal(value, before[name]) == ((edge, option) not in used), name
            candidates += 1
    assert candidates > 20
    assert task.backbone._path is None


class Watched(ControllerPhase):
    """Compares everything before and after a phase."""

    phases = 0

    def learn(self, trainer, task, epoch):
        def picture():
            return {
                "state": {name: value.tolist() for name, value in task.state_dict().items()},
                "momentum": [value["momentum_buffer"].tolist() for value in trainer.optimizers[0].state.values()],
                "gradients": [None if p.grad is None else p.grad.tolist() for p in task.parameters()],
                "draws": [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()],  # noqa: NPY002
                "modes": [part.training for part in task.modules()],
                "trainer": [trainer.loggers, trainer.state.stage],
                "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
                "path": task.backbone._path,
                "log": "log" in vars(task),
            }

        before, policy = picture(), flat(self.controller.policy)
        result = super().learn(trainer, task, epoch)
        after = picture()
        assert before["momentum"]
        assert [name for name in before if before[name] != after[name]] == []
        assert not torch.equal(flat(self.controller.policy), policy)
        self.phases += 1
        return result


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_a_phase_moves_the_controller_and_nothing_else(batch_statistics):
    phase = Watched(Enas(**QUICK, batch_statistics=batch_statistics))
    fit(phase=phase)
    assert phase.phases == 2


def test_the_controller_never_sees_what_trains_the_weights():
    class Separate(Task):
        def on_validation_epoch_start(self):
            self.before = set(self.judged_on)

    task, phase, trainer = fit(epochs=3, task=Separate(), trainer={"limit_val_batches": 0}, controller_steps=10)
    assert len(task.trained_on) == len(task.judged_on) == 24
    assert not task.trained_on & task.judged_on
    task.judged_on = set()
    phase.derive(trainer, task)
    assert len(task.judged_on) == 4  # one minibatch, the same for all
    assert not task.trained_on & task.judged_on


def test_warm_up_epochs_only_train_weights():
    _, phase, trainer = fit(epochs=2, warmup_epochs=2)
    assert phase.controller.baseline == 0
    assert "controller/reward" not in trainer.callback_metrics
    _, phase, _ = fit(epochs=3, warmup_epochs=2)
    assert phase.controller.baseline > 0


def test_what_a_phase_saw_is_logged_and_validation_stays_its_own():
    class Rigged(Task):
        def validation_step(self, batch, batch_idx):
            self.log(
                "val/accuracy",
                0.25 if self.trainer.state.stage == "validate" and batch[0][0, 0, 0, 0] >= 1000 else 0.75,
            )

    _, _, trainer = fit(task=Rigged(), entropy_weight=0.5)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["val/accuracy"] == 0.25
    assert logged["controller/score"] == 0.75
    assert logged["controller/reward"] == pytest.approx(0.75 + 0.5 * logged["controller/entropy"])
    assert 0 < logged["controller/baseline"] < logged["controller/reward"]
    assert logged["controller/skip_divergence"] == 0


class Preferring(Task):
    """Its accuracy is the share of 1x1 convolutions in the path."""

    def validation_step(self, batch, batch_idx):
        wanted = SPACE.ops.index("nor_conv_1x1")
        path = self.backbone._path["cell"] if self.backbone._path else ((0,),)
        self.log("val/accuracy", sum(options == (wanted,) for options in path) / len(path))


@pytest.mark.parametrize(("policy", "lr"), [("lstm", 0.02), ("independent", 0.1)])
def test_what_is_rewarded_is_found(policy, lr):
    task, phase, trainer = fit(
        task=Preferring(), epochs=8, policy=policy, lr=lr, controller_steps=10, controller_batch=5,
        baseline_correction=True, baseline_decay=0.9, temperature=None,
    )  # fmt: skip
    choices, score = phase.derive(trainer, task)
    assert score == 1
    assert set(choices.values()) == {"nor_conv_1x1"}
    drawn = [phase.controller.sample(77, n) for n in range(50)]
    assert np.mean([option == "nor_conv_1x1" for c in drawn for option in c.values()]) > 0.6  # 0.2 at the start
    late = task.paths[-12:]  # trained paths follow the policy
    assert np.mean([o == (SPACE.ops.index("nor_conv_1x1"),) for path in late for o in path["cell"]]) > 0.4


# ---- resume --------------------------------------------------------------------------------------------------------------


def outcome(task, phase, trainer):
    return [flat(task), flat(phase.controller.policy), phase.controller.baseline, phase.derive(trainer, task)]


@pytest.mark.parametrize(
    "when",
    [
        {"every_n_epochs": 1},
        {"every_n_train_steps": 4},
        {"every_n_train_steps": 6},
        {"every_n_epochs": 1, "save_on_train_epoch_end": False},
    ],
    ids=["after an epoch", "within an epoch", "after its last batch", "after its validation"],
)
def test_a_resumed_search_ends_in_the_same_bits(tmp_path, when):
    saving = ModelCheckpoint(tmp_path, filename="{epoch}-{step}", save_top_k=-1, **when)
    whole = fit(epochs=3, callbacks=[saving], trainer={"enable_checkpointing": True})
    expected = outcome(*whole)
    files = sorted(tmp_path.glob("*.ckpt"))
    assert len(files) >= 3
    for file in files[:2]:
        resumed = outcome(*fit(epochs=3, checkpoint=file))
        for one, other in zip(expected, resumed, strict=True):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other, file


def test_a_checkpoint_gives_the_controller_back_without_a_training(tmp_path):
    _, phase, trainer = fit()
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again = ControllerPhase(Enas(**QUICK))
    make_trainer(callbacks=[again]).validate(Task(), datamodule=Data(), ckpt_path=tmp_path / "one.ckpt", verbose=False)
    assert torch.equal(flat(again.controller.policy), flat(phase.controller.policy))
    assert again.controller.baseline == phase.controller.baseline != 0


def test_a_checkpoint_of_another_controller_is_refused(tmp_path):
    _, _, trainer = fit(epochs=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    with pytest.raises(ValueError, match="of another policy than LstmPolicy"):
        fit(epochs=2, checkpoint=tmp_path / "one.ckpt", policy="lstm")
    other = Enas(**QUICK).controller(MACRO)
    with pytest.raises(ValueError, match="EnasMacro"):
        other.load_state_dict(Enas(**QUICK).controller(SPACE).state_dict())


# ---- what a Trainer can do -----------------------------------------------------------------------------------------------


def test_accumulation_clipping_and_half_precision_work_as_everywhere():
    arguments = {"accumulate_grad_batches": 2, "gradient_clip_val": 1e-3, "precision": "bf16-mixed"}
    before = flat(Task())
    task, phase, trainer = fit(epochs=2, trainer=arguments)
    assert trainer.global_step == 6  # 24 images, batches of 4, groups of 2
    assert phase.controller.baseline > 0
    assert 0 <= phase.derive(trainer, task)[1] <= 1
    assert (flat(task) - before).abs().max() > 0
    norms = [p for part in task.modules() if isinstance(part, nn.BatchNorm2d) for p in part.parameters()]
    assert all(torch.isfinite(p).all() for p in norms)


def test_ranks_draw_the_same_paths_and_train_the_same_controller(tmp_path):
    run_ranks(enas_ddp_worker.main, str(tmp_path / "rank"), cwd=tmp_path)
    first, second = (torch.load(tmp_path / f"rank.{rank}") for rank in (0, 1))
    assert first["paths"] == second["paths"]
    assert first["scores"] == second["scores"]
    assert len(first["scores"]) == 12
    assert first["best"] == second["best"]
    for one, other in zip(first["batches"], second["batches"], strict=True):
        assert not one & other
    trained, judged = first["trained_on"] | second["trained_on"], first["judged_on"] | second["judged_on"]
    assert not trained & judged
    for name, value in first["policy"].items():
        assert torch.equal(value, second["policy"][name])
    weights = {name for name, _ in Task().named_parameters()}
    for name in weights:
        assert torch.equal(first["task"][name], second["task"][name]), name


def test_a_callback_of_a_plain_trainer_is_all_that_a_project_needs():
    phase = ControllerPhase(Enas(**QUICK))
    trainer = make_trainer(1, callbacks=[phase])
    assert isinstance(phase, pl.Callback)
    task = Task()
    trainer.fit(task, datamodule=WeightsHalf(Data(), fraction=0.75))
    assert len(task.trained_on) == 36
    choices, score = phase.derive(trainer, task)
    SPACE.validate(choices)
    assert 0 <= score <= 1

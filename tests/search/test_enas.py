"""ENAS: the controller's step in numbers, and its turns with an ordinary training."""

import math
import random
from types import SimpleNamespace

import enas_ddp_worker
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from path_project import SPACE, Data, Task, make_trainer
from processes import run_ranks
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from torch import nn

from lightning_nas.search import ControllerPhase, SampledPaths, SeedBatches, WeightsHalf
from lightning_nas.search.headline import validation_score
from lightning_nas.spaces import EnasMacro
from lightning_nas.strategies import Enas

QUICK = {"policy": "independent", "lr": 0.1, "controller_steps": 3, "controller_batch": 2, "derive": 5}
MACRO = EnasMacro(channels=2, layers=4)


def fit(epochs=2, checkpoint=None, task=None, phase=None, warmup_epochs=0, callbacks=(), trainer=None, **settings):
    task = task or Task()
    phase = phase or ControllerPhase(Enas(**{**QUICK, **settings}), warmup_epochs=warmup_epochs)
    trainer = make_trainer(epochs, callbacks=[SeedBatches(0), phase, *callbacks], **(trainer or {}))
    trainer.fit(task, datamodule=WeightsHalf(Data()), ckpt_path=checkpoint)
    return task, phase, trainer


def flat(module):
    return torch.cat([value.detach().flatten().double() for value in module.state_dict().values()])


# ---- the controller ------------------------------------------------------------------------------------------------------


def test_a_step_is_that_of_the_formulas():
    settings = {"entropy_weight": 0.5, "baseline_decay": 0.9, "temperature": None, "tanh_constant": None}
    controller = Enas(policy="independent", lr=0.1, **settings).controller(SPACE)
    drawn = [controller.sample(n) for n in range(3)]
    scores = [0.2, 0.9, 0.4]
    learnt = controller.learn(drawn, scores)

    options, entropy = len(SPACE.ops), len(SPACE.decisions) * math.log(len(SPACE.ops))
    rewards = [score + 0.5 * entropy for score in scores]
    baseline, advantages = 0.0, []
    for reward in rewards:
        baseline -= 0.1 * (baseline - reward)
        advantages.append(reward - baseline)
    assert learnt.baseline == pytest.approx(baseline)
    assert learnt.entropy == pytest.approx(entropy)
    assert (learnt.score, learnt.reward) == (pytest.approx(0.5), pytest.approx(np.mean(rewards)))
    for decision, moved in zip(SPACE.decisions, controller.policy.table, strict=True):
        gradient = torch.zeros(options)
        for choices, advantage in zip(drawn, advantages, strict=True):
            gradient -= advantage / 3 * -torch.full((options,), 1 / options)
            gradient[SPACE.ops.index(choices[decision])] -= advantage / 3
        # Adam with beta1 = 0: the first step is lr * g / (|g| + eps).
        torch.testing.assert_close(moved.detach(), -0.1 * gradient / (gradient.abs() + 1e-3))


@pytest.mark.parametrize("correction", [False, True])
def test_the_baseline_comes_to_a_constant_reward(correction):
    controller = Enas(**QUICK, entropy_weight=0.0, baseline_correction=correction).controller(SPACE)
    learnt = controller.learn([controller.sample(0)], [0.8])
    assert learnt.baseline == pytest.approx(0.8 if correction else 0.008)
    for step in range(1000):
        learnt = controller.learn([controller.sample(step)], [0.8])
    assert learnt.baseline == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("policy", ["lstm", "independent"])
def test_the_divergence_alone_pulls_skips_to_their_target(policy):
    settings = {"temperature": None, "tanh_constant": None, "baseline_decay": 0.0}  # b = R: no reinforcement
    controller = Enas(policy=policy, lr=0.03, skip_weight=0.8, **settings).controller(MACRO)
    before = controller.learn([controller.sample(0)], [1.0])
    for step in range(150):
        after = controller.learn([controller.sample(step, n) for n in range(8)], [1.0] * 8)
    assert after.skip_divergence < 1e-3 < before.skip_divergence
    drawn = controller.policy.encode([controller.sample(9999, n) for n in range(50)])
    shares = {
        MACRO.decisions[position]: log_p.exp()[:, 1].mean().item()
        for position, log_p in controller.policy.distributions(drawn)
        if ".skip." in MACRO.decisions[position]
    }
    assert len(shares) == 6
    assert shares == {name: pytest.approx(0.4, abs=0.02) for name in shares}


def test_the_divergence_is_a_sum_within_layers_and_a_mean_over_them():
    controller = Enas(policy="independent", skip_target=0.3).controller(MACRO)
    learnt = controller.learn([controller.sample(0)], [0.0])  # p = 1/2; layers 1, 2, 3 have 1, 2, 3 skips
    each = 0.5 * math.log(0.5 / 0.3) + 0.5 * math.log(0.5 / 0.7)
    assert learnt.skip_divergence == pytest.approx(2 * each, rel=1e-5)
    assert (
        Enas(policy="independent").controller(SPACE).learn([SPACE.sample(random.Random(0))], [0.0]).skip_divergence == 0
    )


@pytest.mark.parametrize("change", [{"skip_weight": 0.0}, {"skip_target": 0.7}], ids=str)
def test_settings_of_skips_change_the_step(change):
    def moved(**settings):
        controller = Enas(policy="independent", **settings).controller(MACRO)
        controller.learn([controller.sample(n) for n in range(4)], [0.1, 0.5, 0.2, 0.4])
        return flat(controller.policy)

    assert not torch.equal(moved(), moved(**change))


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

    def _phase(self, trainer, task, epoch):
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
        result = super()._phase(trainer, task, epoch)
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


# ---- arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "lstm"}, {"lr": 0.2}, {"controller_steps": 2}, {"controller_batch": 3}, {"entropy_weight": 0.3},
        {"baseline_decay": 0.5}, {"baseline_correction": True}, {"temperature": 1.0}, {"tanh_constant": None},
        {"batch_statistics": False}, {"metric": "-val/loss"}, {"seed": 1}, {"derive": 2}, {"warmup_epochs": 1},
    ],
    ids=str,
)  # fmt: skip
def test_every_argument_changes_the_search(change):
    def found(**settings):
        _, phase, _ = fit(**settings)
        return flat(phase.controller.policy), phase.shortlist().candidates

    (policy, drawn), (other_policy, other_drawn) = found(), found(**change)
    if "derive" in change:
        assert (len(drawn), len(other_drawn)) == (5, 2)
    else:
        assert not torch.equal(policy, other_policy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "gru"}, {"lr": 0.0}, {"controller_steps": 0}, {"controller_batch": 0}, {"entropy_weight": -1.0},
        {"baseline_decay": 1.0}, {"skip_weight": -0.1}, {"skip_target": 1.0}, {"temperature": 0.0}, {"tanh_constant": -1.0},
        {"derive": 0}, {"seed": -1},
    ],
    ids=str,
)  # fmt: skip
def test_mistakes_are_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} must .* got {value!r}"):
        Enas(**wrong)


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ValueError, match="warmup_epochs must be at least 0, got -1"):
        ControllerPhase(Enas(), warmup_epochs=-1)
    trainer = make_trainer(callbacks=[ControllerPhase(Enas(**QUICK))])
    with pytest.raises(ValueError, match=r"WeightsHalf\(your data module\), got Data"):
        trainer.fit(Task(), datamodule=Data())

    class Twice(Task):
        def __init__(self):
            super().__init__()
            self.second = SPACE.supernet()

    with pytest.raises(ValueError, match="exactly one Supernet, found 2 in Twice"):
        fit(task=Twice())
    for callback in (SampledPaths(0), ControllerPhase(Enas(**QUICK))):
        told = SimpleNamespace(strategy=DDPStrategy(), datamodule=WeightsHalf(Data()), current_epoch=0)
        with pytest.raises(ValueError, match="ddp_find_unused_parameters_true"):
            callback.setup(told, Task(), "fit")
        told.strategy = DDPStrategy(find_unused_parameters=True)
        callback.setup(told, Task(), "fit")

    class Whole(WeightsHalf):
        def architecture_dataloader(self):
            return []

    with pytest.raises(ValueError, match="no minibatch for every rank"):
        make_trainer(callbacks=[ControllerPhase(Enas(**QUICK))]).fit(Task(), datamodule=Whole(Data()))

    class Diverged(Task):
        def validation_step(self, batch, batch_idx):
            self.log("val/accuracy", float("nan"))

    with pytest.raises(ValueError, match="scores must be finite, got nan for"):
        fit(task=Diverged())

    with pytest.raises(ValueError, match=r"metric = 'val/f1' is not logged in validation; logged are \['val/accuracy'"):
        fit(metric="val/f1")


def test_the_score_of_a_task_without_a_headline_is_minus_its_loss():
    assert validation_score({"val/loss": 2.0, "val/accuracy": 0.5}, task=Task) == ("val/accuracy", 0.5)
    assert validation_score({"val/loss": torch.tensor(2.0), "train/loss": 9.0}) == ("-val/loss", -2.0)
    assert validation_score({"error": 2.0, "val/loss": 1.0}, "-error") == ("-error", -2.0)
    assert validation_score({"val/psnr": 30.0}) == ("val/psnr", 30.0)
    with pytest.raises(ValueError, match="metric = '-val/loss' is not logged"):
        validation_score({"val/accuracy": 1.0}, "-val/loss")


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

"""Under a search, a Trainer's arguments, schedules and hooks mean what they mean for the module alone."""

import pytest
import torch
from torch import nn
from toy_project import dataset

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def whole(toy):
    """As many batches as each half of a search has."""

    class Whole(toy.Data):
        def train_dataloader(self):
            half = torch.utils.data.Subset(dataset(), range(24))
            return torch.utils.data.DataLoader(half, batch_size=8)

    return Whole()


def searched(toy, model, data=None, trainer=None, **arguments):
    trainer = trainer or toy.make_trainer(arguments.pop("epochs", 2))
    trainer.fit(SearchModule(model, Darts(), **arguments), BilevelDataModule(data or toy.Data()))
    return trainer


@pytest.mark.parametrize(
    "arguments", [{"max_steps": 4, "epochs": -1}, {"limit_train_batches": 2}, {"accumulate_grad_batches": 2}]
)
def test_steps_are_counted_as_without_search(toy, arguments):
    arguments = dict(arguments)
    epochs = {"epochs": arguments.pop("epochs", 2)}
    plain = toy.make_trainer(**epochs, **arguments)
    plain.fit(toy.Project(), whole(toy))
    trainer = searched(toy, toy.Project(), trainer=toy.make_trainer(**epochs, **arguments))
    assert (trainer.global_step, trainer.current_epoch) == (plain.global_step, plain.current_epoch)


def scheduled(toy, interval, frequency=1, plateau=False):
    class Scheduled(toy.Project):
        rates: list

        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            make = torch.optim.lr_scheduler
            schedule = (
                make.ReduceLROnPlateau(optimizer, patience=0, threshold=1e9)
                if plateau
                else make.StepLR(optimizer, 1, 0.5)
            )
            config = {"scheduler": schedule, "interval": interval, "frequency": frequency, "monitor": "train/loss"}
            return {"optimizer": optimizer, "lr_scheduler": config}

        def on_train_batch_start(self, batch, batch_idx):
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            self.__dict__.setdefault("rates", []).append(rate)

    return Scheduled()


@pytest.mark.parametrize(
    ("interval", "frequency", "plateau"),
    [("epoch", 1, False), ("epoch", 2, False), ("step", 1, False), ("step", 2, False), ("epoch", 1, True)],
)
def test_schedules_run_as_without_search(toy, interval, frequency, plateau):
    plain, model = scheduled(toy, interval, frequency, plateau), scheduled(toy, interval, frequency, plateau)
    toy.make_trainer(4).fit(plain, whole(toy))
    searched(toy, model, epochs=4)
    assert model.rates == pytest.approx(plain.rates)
    assert len(set(model.rates)) > 1


def test_a_schedule_that_monitors_nothing_is_an_error(toy):
    model = scheduled(toy, "epoch", plateau=True)
    model.training_step = lambda batch, batch_idx: nn.functional.cross_entropy(
        model.head(model.backbone(batch[0])[-1].mean((2, 3))), batch[1]
    )
    with pytest.raises(toy.pl.utilities.exceptions.MisconfigurationException, match="train/loss"):
        searched(toy, model)


class ClippedTwice:
    """Notes the size of the gradients before and after the clipping."""

    def on_before_optimizer_step(self, optimizer):
        self.__dict__.setdefault("before", []).append(self.norm())

    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        if any(p.grad is not None for p in self.head.parameters()):
            self.__dict__.setdefault("after", []).append(self.norm())
        optimizer.zero_grad()

    def norm(self):
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        return float(torch.stack([g.norm() for g in gradients]).norm())


@pytest.mark.parametrize("of_the_trainer", [True, False])
def test_gradients_are_clipped_and_accumulated(toy, of_the_trainer):
    class Project(ClippedTwice, toy.Project):
        pass

    settings = {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "norm", "accumulate_grad_batches": 3}
    trainer = toy.make_trainer(2, **(settings if of_the_trainer else {}))
    model = Project()
    searched(toy, model, trainer=trainer, **({} if of_the_trainer else settings))
    assert trainer.global_step == 2
    assert min(model.before) > 0.02
    assert model.after == pytest.approx([0.01], rel=1e-3)
    assert trainer.accumulate_grad_batches == (3 if of_the_trainer else 1)  # the Trainer gets its own settings back
    assert trainer.gradient_clip_val == (0.01 if of_the_trainer else None)


def test_early_stopping_and_logs(toy, tmp_path):
    stopper = toy.pl.callbacks.EarlyStopping("train/loss", min_delta=1e9, patience=1)
    logger = toy.pl.loggers.CSVLogger(tmp_path, name="", version="")
    trainer = toy.make_trainer(9, callbacks=[stopper], logger=logger, log_every_n_steps=1)
    searched(toy, toy.Project(), trainer=trainer, warmup_epochs=1)
    assert trainer.current_epoch == 2
    metrics = (tmp_path / "metrics.csv").read_text()
    assert "search/batch" in metrics
    assert trainer.callback_metrics["search/batch"] == 6
    assert trainer.callback_metrics["search/arch_step"] == 3


def test_hooks_of_the_wrapped_module_are_called_with_its_own_batches(toy):
    seen = []

    class Hooked(toy.Project):
        def on_fit_start(self):
            seen.append("fit")

        def on_after_batch_transfer(self, batch, dataloader_idx):
            assert len(batch) == 2
            seen.append("transfer")
            return batch

        def on_train_batch_start(self, batch, batch_idx):
            assert len(batch) == 2
            seen.append("batch")

        def on_train_epoch_end(self):
            seen.append(("epoch", self.current_epoch, self.global_step))

        def configure_gradient_clipping(self, optimizer, gradient_clip_val, gradient_clip_algorithm):
            seen.append(("clip", gradient_clip_val))

    searched(toy, Hooked(), epochs=1, gradient_clip_val=3.0)
    assert seen.count("transfer") == 6  # two halves, three batches
    assert seen.count("batch") == 3
    assert seen.count(("clip", 3.0)) == 3
    assert seen[0] == "fit"
    assert seen[-1] == ("epoch", 0, 3)


def test_one_level_takes_plain_batches(toy):
    model = toy.Project()
    before = model.backbone.logits["reduce"].detach().clone()
    trainer = toy.make_trainer(1)
    trainer.fit(SearchModule(model, Darts(level="single")), toy.Data())
    assert trainer.global_step == 6
    assert not torch.equal(model.backbone.logits["reduce"], before)


def test_an_exception_leaves_every_parameter_trainable(toy):
    class Failing(toy.Project):
        def training_step(self, batch, batch_idx):
            if self.global_step == 1:
                raise RuntimeError("on purpose")
            return super().training_step(batch, batch_idx)

    model = Failing()
    with pytest.raises(RuntimeError, match="on purpose"):
        searched(toy, model)
    assert all(p.requires_grad for p in model.parameters())


# ---- the outputs of a step --------------------------------------------------------------------------------------------


def test_callbacks_and_hooks_see_the_weights_batch_and_the_outputs_of_the_step(toy):
    seen = []

    class Step(toy.Project):
        def training_step(self, batch, batch_idx):
            return {"loss": super().training_step(batch, batch_idx), "size": len(batch[0])}

        def on_train_batch_end(self, outputs, batch, batch_idx):
            seen.append(("hook", sorted(outputs), [tuple(part.shape) for part in batch]))

    class Watch(toy.pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append(("start", [tuple(part.shape) for part in batch]))

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            seen.append(("callback", sorted(outputs), [tuple(part.shape) for part in batch], float(outputs["loss"])))

    trainer = toy.make_trainer(1, callbacks=[Watch()], limit_train_batches=1)
    searched(toy, Step(), trainer=trainer)
    shapes = [(8, 1, 6, 6), (8,)]
    assert seen[0] == ("start", shapes)
    assert seen[1][:3] == ("callback", ["loss", "size"], shapes)
    assert seen[2] == ("hook", ["loss", "size"], shapes)
    assert seen[1][3] == pytest.approx(float(trainer.callback_metrics["train/loss"]))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_that_returns_nothing_is_skipped(toy, order, accumulate):
    class Sometimes(toy.Project):
        def training_step(self, batch, batch_idx):
            return None if batch_idx == 0 else super().training_step(batch, batch_idx)

    model = Sometimes()
    trainer = toy.make_trainer(1, accumulate_grad_batches=accumulate)
    search = SearchModule(model, Darts(order=order))
    trainer.fit(search, BilevelDataModule(toy.Data()))
    assert trainer.global_step == 3 // accumulate
    assert search._counts["arch_step"] == (2 if accumulate == 1 else 0)


def test_a_step_may_leave_out_the_number_of_the_batch(toy):
    class Short(toy.Project):
        def training_step(self, batch):
            return super().training_step(batch, 0)

    assert searched(toy, Short(), epochs=1).global_step == 3

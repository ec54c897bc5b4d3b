"""Under a search, a Trainer's arguments, schedules and callbacks mean what they mean for the module alone."""

import lightning.pytorch
import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.loggers import CSVLogger
from torch import nn
from toy_project import Data, Project, make_trainer

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


class Whole(Data):
    """As many batches as each half of a search has."""

    def train_dataloader(self):
        loader = super().train_dataloader()
        return torch.utils.data.DataLoader(torch.utils.data.Subset(loader.dataset, range(24)), batch_size=8)


def searched(model, data=None, trainer=None, **arguments):
    trainer = trainer or make_trainer(arguments.pop("epochs", 2))
    trainer.fit(SearchModule(model, Darts(), **arguments), BilevelDataModule(data or Data()))
    return trainer


@pytest.mark.parametrize(
    "arguments", [{"max_steps": 4, "epochs": -1}, {"limit_train_batches": 2}, {"accumulate_grad_batches": 2}]
)
def test_steps_are_counted_as_without_search(arguments):
    epochs = {"epochs": arguments.pop("epochs", 2)}
    plain = make_trainer(**epochs, **arguments)
    plain.fit(Project(), Whole())
    trainer = searched(Project(), trainer=make_trainer(**epochs, **arguments))
    assert (trainer.global_step, trainer.current_epoch) == (plain.global_step, plain.current_epoch)


def scheduled(interval, frequency=1, plateau=False):
    class Scheduled(Project):
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
def test_schedules_run_as_without_search(interval, frequency, plateau):
    plain, model = scheduled(interval, frequency, plateau), scheduled(interval, frequency, plateau)
    make_trainer(4).fit(plain, Whole())
    searched(model, epochs=4)
    assert model.rates == pytest.approx(plain.rates)
    assert len(set(model.rates)) > 1


def test_a_schedule_that_monitors_nothing_is_an_error():
    model = scheduled("epoch", plateau=True)
    model.training_step = lambda batch, batch_idx: nn.functional.cross_entropy(
        model.head(model.backbone(batch[0])[-1].mean((2, 3))), batch[1]
    )
    with pytest.raises(ValueError, match="train/loss"):
        searched(model)


def test_the_trainers_clipping_and_accumulation_are_taken_over():
    trainer = make_trainer(1, gradient_clip_val=0.5, gradient_clip_algorithm="value", accumulate_grad_batches=3)
    search = SearchModule(Project(), Darts())
    trainer.fit(search, BilevelDataModule(Data()))
    assert (search.clip_val, search.clip_algorithm, search.accumulate_grad_batches) == (0.5, "value", 3)
    assert trainer.global_step == 1


def test_accumulated_gradients_are_those_of_one_large_batch():
    class Plain(Project):
        def __init__(self):
            super().__init__(batch_norm=False)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    states = []
    for batch_size, groups in ((4, 2), (8, 1)):
        model = Plain().double()
        searched(
            model,
            Data(batch_size),
            make_trainer(1, precision="64-true"),
            accumulate_grad_batches=groups,
            warmup_epochs=1,
        )
        states.append(model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name])


def test_early_stopping_and_logs(tmp_path):
    stopper = EarlyStopping("train/loss", min_delta=1e9, patience=1)
    logger = CSVLogger(tmp_path, name="", version="")
    trainer = searched(
        Project(), trainer=make_trainer(9, callbacks=[stopper], logger=logger, log_every_n_steps=1), warmup_epochs=1
    )
    assert trainer.current_epoch == 2
    metrics = (tmp_path / "metrics.csv").read_text()
    assert "search/batch" in metrics
    assert trainer.callback_metrics["search/batch"] == 6
    assert trainer.callback_metrics["search/arch_step"] == 3


def test_hooks_of_the_wrapped_module_are_called_with_its_own_batches():
    seen = []

    class Hooked(Project):
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

    searched(Hooked(), epochs=1, gradient_clip_val=3.0)
    assert seen.count("transfer") == 6  # two halves, three batches
    assert seen.count("batch") == 3
    assert seen.count(("clip", 3.0)) == 3
    assert seen[0] == "fit"
    assert seen[-1] == ("epoch", 0, 3)


def test_a_module_of_the_lightning_package_is_accepted():
    class Other(lightning.pytorch.LightningModule):
        def __init__(self):
            super().__init__()
            inner = Project()
            self.backbone, self.head = inner.backbone, inner.head

        def training_step(self, batch, batch_idx):
            loss = nn.functional.cross_entropy(self.head(self.backbone(batch[0])[-1].mean((2, 3))), batch[1])
            self.log("train/loss", loss)
            return {"loss": loss}

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    trainer = searched(Other())
    assert "train/loss" in trainer.callback_metrics


def test_what_cannot_be_searched_is_refused_at_once():
    class Manual(Project):
        automatic_optimization = False

    class OwnStep(Project):
        def optimizer_step(self, *args, **kwargs):
            return super().optimizer_step(*args, **kwargs)

    class Two(Project):
        def configure_optimizers(self):
            return [super().configure_optimizers(), super().configure_optimizers()]

    with pytest.raises(ValueError, match="automatic optimization"):
        SearchModule(Manual(), Darts())
    with pytest.raises(ValueError, match=r"OwnStep\.optimizer_step"):
        SearchModule(OwnStep(), Darts())
    with pytest.raises(ValueError, match="one optimizer, got 2"):
        searched(Two())
    with pytest.raises(ValueError, match="exactly one Supernet, found 0"):
        SearchModule(BoringModel(), Darts())
    with pytest.raises(TypeError, match="BilevelDataModule"):
        make_trainer().fit(SearchModule(Project(), Darts()), Data())


def test_one_level_takes_plain_batches():
    model = Project()
    before = model.backbone.logits["reduce"].detach().clone()
    trainer = make_trainer(1)
    trainer.fit(SearchModule(model, Darts(level="single")), Data())
    assert trainer.global_step == 6
    assert not torch.equal(model.backbone.logits["reduce"], before)


def test_an_exception_leaves_every_parameter_trainable():
    class Failing(Project):
        def training_step(self, batch, batch_idx):
            if self.global_step == 1:
                raise RuntimeError("on purpose")
            return super().training_step(batch, batch_idx)

    model = Failing()
    with pytest.raises(RuntimeError, match="on purpose"):
        searched(model)
    assert all(p.requires_grad for p in model.parameters())

"""Methods that a user's module overrides, and supernets that it makes late or wraps."""

import pytest
import torch
from callback_search import fit
from torch import nn
from toy_project import SPACE

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def test_overridden_methods_of_the_weight_step_are_called(toy):
    calls = []

    class Overriding(toy.Project):
        def backward(self, loss, *args, **kwargs):
            calls.append("backward")
            loss.backward(*args, **kwargs)

        def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
            calls.append("zero_grad")
            optimizer.zero_grad()

        def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * (self.trainer.global_step + 1)  # a warm-up as Lightning's documentation shows it
            calls.append("step")
            optimizer.step(closure=optimizer_closure)

        def lr_scheduler_step(self, scheduler, metric):
            calls.append("schedule")
            scheduler.step()

        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    trainer, search = fit(toy, Overriding(), limit_train_batches=2)
    assert calls == ["step", "zero_grad", "backward"] * 2 + ["schedule"]
    assert search._counts["arch_step"] == trainer.global_step == 2
    assert search.model.optimizers().param_groups[0]["initial_lr"] == 0.05


def test_an_optimizer_that_asks_for_the_loss_several_times(toy):
    asked = []

    class Lbfgs(toy.Project):
        def training_step(self, batch, batch_idx):
            asked.append(batch_idx)
            return super().training_step(batch, batch_idx)

        def configure_optimizers(self):
            return torch.optim.LBFGS(self.parameters(), 0.01, max_iter=3)

    trainer, search = fit(toy, Lbfgs(), limit_train_batches=2)
    assert trainer.global_step == search._counts["arch_step"] == 2
    assert len(asked) > 4


@pytest.mark.parametrize("hook", ["configure_model", "setup"])
def test_a_supernet_that_is_made_late(toy, tmp_path, hook):
    class Late(toy.Project):
        def __init__(self):
            super().__init__()
            del self.backbone

        def _make(self, *args):
            if not hasattr(self, "backbone"):
                torch.manual_seed(0)
                self.backbone = SPACE.supernet()

    setattr(Late, hook, Late._make)
    trainer, search = fit(toy, Late())
    early = SearchModule(toy.Project(), Darts(lr=0.05))
    toy.make_trainer(1).fit(early, BilevelDataModule(toy.Data()))
    state = early.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in search.state_dict().items())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = SearchModule(Late(), Darts(lr=0.05))
    toy.make_trainer(2).fit(again, BilevelDataModule(toy.Data()), ckpt_path=tmp_path / "last.ckpt")
    assert again._counts["arch_step"] == 6


def test_ddp_is_told_of_the_logits_of_a_supernet_that_setup_has_wrapped(toy):
    class Wrapper(nn.Module):
        """As ``torch.compile`` makes one."""

        def __init__(self, wrapped):
            super().__init__()
            self.wrapped = wrapped

        def forward(self, x):
            return self.wrapped(x)

    class Wrapping(toy.Project):
        def setup(self, stage):
            self.backbone = Wrapper(self.backbone)

    _, search = fit(toy, Wrapping())
    names = [name for name, p in search.named_parameters() if any(p is logits for logits in search._logits.parameters)]
    assert len(names) == 2
    assert search._ddp_params_and_buffers_to_ignore == names


def test_a_supernet_that_never_comes_is_an_error(toy):
    class Never(toy.Project):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Identity()

        def setup(self, stage):
            """Makes nothing."""

    search = SearchModule(Never(), Darts())
    with pytest.raises(ValueError, match="found 0 in Never"):
        toy.make_trainer(1).fit(search, BilevelDataModule(toy.Data()))

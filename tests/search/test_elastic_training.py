"""Many networks trained at once, around a module as it is."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from toy_elastic import SPACE, Student
from toy_elastic import fit as fit_and_validate
from toy_paths import SPACE as UNORDERED
from toy_paths import Data, Task
from toy_project import flat

from lightning_nas.errors import NasError
from lightning_nas.search import ElasticModule, SeedBatches
from lightning_nas.search.lightning.averaging import AveragedWeights
from lightning_nas.strategies import Elastic

RULES = ("uniform", "sandwich", "alternate", "progressive")


def fit(*arguments, **settings):
    return fit_and_validate(*arguments, **{"limit_val_batches": 1, **settings})


def paths(networks, task):
    task.backbone.activate(networks)
    return tuple(task.backbone._path.items())


@pytest.mark.parametrize("rule", RULES)
def test_a_step_trains_the_networks_of_its_rule(rule):
    strategy = Elastic(rule=rule)
    task, trainer = fit(strategy, epochs=2, limit_train_batches=6)
    assert trainer.global_step == 12
    expected = [
        paths(choices, task) for step in range(12) for choices in strategy.step(SPACE, step=step, share=step / 12)
    ]
    assert task.active == expected


def test_the_gradients_of_a_step_are_the_sum_of_its_networks():
    task = Student().eval()
    strategy = Elastic(rule="sandwich")
    module = ElasticModule(task, strategy)
    batch = next(iter(Data().train_dataloader()))
    place = {"global_step": 3, "current_epoch": 0, "max_epochs": 1, "num_training_batches": 9}
    module._trainer = SimpleNamespace(**place)
    task.log = lambda *args, **kwargs: None
    loss = module.training_step(batch, 0)
    loss.backward()
    together = [p.grad.clone() for p in task.parameters() if p.grad is not None]
    task.zero_grad()
    for choices in strategy.step(SPACE, step=3):
        task.backbone.activate(choices)
        Task.training_step(task, batch, 0).backward()
    apart = [p.grad for p in task.parameters() if p.grad is not None]
    torch.testing.assert_close(together, apart)


def test_the_hosted_module_is_trained_in_place_and_has_its_own_names(tmp_path):
    task, trainer = fit(Elastic(rule="sandwich"), limit_train_batches=1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    state = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert set(state) == set(Student().state_dict())
    assert task.backbone._path is None


class OrderedData(Data):
    """A loader without a generator of its own would draw from the global one, at another time in a resumed run."""

    def train_dataloader(self):
        return DataLoader(super().train_dataloader().dataset, self.batch_size, generator=torch.Generator())


@pytest.mark.parametrize(
    ("rule", "ema"), [("uniform", 0.9), ("sandwich", None), ("alternate", None), ("progressive", 0.9)]
)
def test_a_resumed_training_ends_in_the_same_bytes(rule, ema, tmp_path):
    strategy = Elastic(rule=rule, distillation=0.5)

    def run(*callbacks, checkpoint=None, decay=ema):
        averages = [] if decay is None else [AveragedWeights(decay)]
        watching = [SeedBatches(0), *averages, *callbacks]
        arguments = {"callbacks": watching, "data": OrderedData(), "limit_train_batches": 4}
        return flat(fit(strategy, epochs=3, checkpoint=checkpoint, **arguments)[0])

    whole = run(SaveAfter(tmp_path / "one.ckpt", epochs=1))
    assert torch.equal(whole, run(checkpoint=tmp_path / "one.ckpt"))
    assert torch.equal(whole, run(decay=None)) == (ema is None)


class SaveAfter(pl.Callback):
    def __init__(self, path, epochs):
        self.path, self.epochs = path, epochs

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == self.epochs - 1:
            trainer.save_checkpoint(self.path)


def test_a_training_that_was_over_leaves_the_average(tmp_path):
    strategy = Elastic()
    saving = SaveAfter(tmp_path / "last.ckpt", epochs=2)
    arguments = {"epochs": 2, "limit_train_batches": 4}
    task, _ = fit(strategy, callbacks=[AveragedWeights(0.9), saving], **arguments)
    again, _ = fit(strategy, callbacks=[AveragedWeights(0.9)], checkpoint=tmp_path / "last.ckpt", **arguments)
    assert torch.equal(flat(task), flat(again))


def test_each_argument_changes_the_weights():
    def weights(**arguments):
        strategy = Elastic(**{"rule": "sandwich", "distillation": 0.5, **arguments})
        return flat(fit(strategy, limit_train_batches=3, limit_val_batches=0)[0])

    reference = weights()
    assert torch.equal(reference, weights())
    for changed in (
        {"rule": "alternate"}, {"networks": 1}, {"distillation": 1.0}, {"distillation": 0.0}, {"divergence": "alpha"},
        {"seed": 1},
    ):  # fmt: skip
        assert not torch.equal(reference, weights(**changed)), changed


def test_with_distillation_alone_labels_reach_the_small_networks_through_the_largest():
    class OtherLabels(Student):
        """The labels of all but the first network of a step are wrong."""

        def training_step(self, batch, batch_idx):
            images, labels = batch
            first = len(self.active) % 4 == 0
            return super().training_step((images, labels if first else (labels + 1) % 3), batch_idx)

    def weights(task, distillation):
        return flat(fit(Elastic(rule="sandwich", distillation=distillation), task=task, limit_train_batches=3)[0])

    assert torch.equal(weights(Student(), 1.0), weights(OtherLabels(), 1.0))
    assert not torch.equal(weights(Student(), 0.5), weights(OtherLabels(), 0.5))


@pytest.mark.parametrize("rule", ["uniform", "alternate"])
def test_where_a_step_has_no_largest_network_it_is_run_as_a_teacher(rule):
    task, _ = fit(Elastic(rule=rule, distillation=0.5), limit_train_batches=6)
    largest = paths(SPACE.largest(), task)
    if rule == "uniform":
        assert task.active[::2] == [largest] * 6
        assert len(task.active) == 12
    else:
        assert task.active == [
            network for step in range(3) for network in (largest, largest, task.active[3 * step + 2])
        ]


def test_a_module_that_says_not_what_is_learnt_is_refused():
    with pytest.raises(NasError, match=r"distillation = 0\.5: Task has no distilled_module and no distillation_loss"):
        ElasticModule(Task(SPACE), Elastic(distillation=0.5))
    with pytest.raises(NasError, match=r"rule = 'sandwich'.*no largest network"):
        ElasticModule(Task(UNORDERED), Elastic(rule="sandwich"))
    fit(Elastic(), task=Task(UNORDERED), limit_train_batches=1)


def test_clipping_accumulation_and_precision_are_the_trainers():
    strategy, few = Elastic(rule="sandwich"), {"limit_train_batches": 6}
    reference = flat(fit(strategy, **few)[0])
    for changed in ({"gradient_clip_val": 0.01}, {"precision": "bf16-mixed"}, {"accumulate_grad_batches": 3}):
        task, trainer = fit(strategy, **few, **changed)
        assert not torch.equal(reference, flat(task)), changed
        assert torch.isfinite(flat(task)).all()
    assert trainer.global_step == 2
    assert task.active[:4] == task.active[4:8] == task.active[8:12] != task.active[12:16]


def test_the_first_network_of_a_step_logs():
    _, trainer = fit(Elastic(rule="sandwich", distillation=0.5), limit_train_batches=2)
    assert {"train/loss", "search/distillation"} <= set(trainer.callback_metrics)
    only, _ = fit(Elastic(rule="sandwich"), limit_train_batches=2)
    assert torch.isfinite(trainer.callback_metrics["search/distillation"])
    assert "log" not in vars(only)


def test_validation_sees_the_largest_network():
    class Looks(Student):
        def validation_step(self, batch, batch_idx):
            self.seen = tuple(self.backbone._path.items())
            return super().validation_step(batch, batch_idx)

    task, _ = fit(Elastic(), task=Looks(), limit_train_batches=1, limit_val_batches=1)
    assert task.seen == paths(SPACE.largest(), task)

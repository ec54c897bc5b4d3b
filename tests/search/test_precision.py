"""Mixed precision: bf16 and fp16 train; a gradient that overflows skips both steps and lowers the scale."""

import functools

import pytest
import torch
from toy_project import flat, project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def fp16(toy, scale):
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1000)
    return toy.pl.plugins.MixedPrecision("16-mixed", device="cpu", scaler=scaler)


def fit(toy, strategy, **arguments):
    model = toy.Project()
    trainer = toy.make_trainer(**arguments)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    trainer.fit(SearchModule(model, strategy, gradient_clip_val=1.0), BilevelDataModule(toy.Data()))
    return trainer, model, before


STRATEGIES = {"first": {}, "second": {"order": 2}, "single": {"level": "single"}}


@functools.cache
def in_single_precision(family, strategy):
    return fit(project_of(family), Darts(**STRATEGIES[strategy]))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_follows_single_precision(toy, strategy, precision):
    _, reference, start = in_single_precision(toy.pl.__name__, strategy)
    strategy = Darts(**STRATEGIES[strategy])
    arguments = {"precision": "bf16-mixed"} if precision == "bf16" else {"plugins": fp16(toy, 2.0**8)}
    trainer, model, _ = fit(toy, strategy, **arguments)
    assert trainer.global_step == 3
    origin = torch.cat([value.flatten().double() for value in start.values()])
    moved, expected = flat(model) - origin, flat(reference) - origin
    assert moved.norm() > 0
    assert torch.nn.functional.cosine_similarity(moved, expected, dim=0) > 0.9


def test_overflow_skips_the_step_and_lowers_the_scale(toy):
    plugin = fp16(toy, 2.0**60)
    trainer, model, before = fit(toy, Darts(), plugins=plugin)
    assert trainer.global_step == 3
    assert plugin.scaler.get_scale() == 2.0**57  # halved in each of the three batches
    for name, value in model.named_parameters():
        assert torch.equal(value.detach(), before[name]), name


def test_search_goes_on_once_the_scale_fits(toy):
    plugin = fp16(toy, 2.0**18)
    _, model, before = fit(toy, Darts(), plugins=plugin, epochs=8)
    assert plugin.scaler.get_scale() <= 2.0**18
    changed = {"logits" in name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {True, False}

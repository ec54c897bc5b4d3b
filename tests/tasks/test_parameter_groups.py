"""Rates by stage of the backbone, and no decay on norms: what the groups are, and what a training makes of them."""

import math
import random

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.backbone import SelectedFeatures
from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import AutoDeepLab, Chain, Darts, Elastic, Fpn, ImageSize, NasBench201, Product, ShuffleNetV2
from lightning_nas.strategies import Darts as DartsSteps
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.images.parameter_groups import Grouping, parameter_groups, stages
from lightning_nas.tasks.segmentation import SegmentationTask

CHAIN = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 8, 8), depths=(1,) * 4, strides=(2,) * 4)
TASKS = {
    "classification": lambda **given: ClassificationTask(body(), 3, **given),
    "detection": lambda **given: DetectionTask(body(), 3, channels=8, warmup_steps=0, **given),
    "segmentation": lambda **given: SegmentationTask(body(), 3, channels=8, **given),
}


def body():
    torch.manual_seed(0)
    return ResidualBackbone(4, (2, 4, 8))


class Batches(pl.LightningDataModule):
    """Pairs of noise and labels."""

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(8, 3, 16, 16, generator=generator)
        return DataLoader(list(zip(images, torch.arange(8) % 3, strict=True)), batch_size=4)

    def val_dataloader(self):
        return self.train_dataloader()


def fitted(folder, model, data=None, resume=None, **given):
    run = pl.Trainer(
        default_root_dir=folder, logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
        limit_val_batches=0, **{"enable_checkpointing": False, "max_epochs": 1, **given},
    )  # fmt: skip
    run.fit(model, datamodule=data or Batches(), ckpt_path=resume)
    return run


def settings(model):
    """Name of a parameter -> its rate and its decay, as the optimizer has them before the first step."""
    model.trainer = pl.Trainer(max_epochs=4, logger=False, accelerator="cpu", enable_checkpointing=False)
    configured = model.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured[0][0]
    names = {id(p): name for name, p in model.named_parameters()}
    found = {
        names[id(p)]: (group["initial_lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert set(found) == set(names.values())
    return found, optimizer


# ---- what the groups are -----------------------------------------------------------------------------------------------


def test_a_stage_has_the_rate_of_its_depth_and_the_head_all_of_it():
    model = SegmentationTask(body(), 3, channels=8)
    groups = parameter_groups(
        model.parameters(), model.backbone, Grouping(backbone_lr=0.1, layer_decay=0.8), lr=2.0, weight_decay=0.01
    )
    assert [group["lr"] for group in groups] == pytest.approx([0.2 * 0.8**3, 0.2 * 0.8**2, 0.2 * 0.8, 2.0])
    parts = [[model.backbone.stem, model.backbone.stages[0]], [model.backbone.stages[1]], [model.backbone.stages[2]]]
    for group, modules in zip(groups, [*parts, [model.head]], strict=True):
        expected = [p for module in modules for p in module.parameters()]
        assert [id(p) for p in group["params"]] == [id(p) for p in expected]
        assert group["weight_decay"] == 0.01


def test_what_has_one_dimension_has_no_decay_where_asked_for():
    model = TASKS["segmentation"]()
    groups = parameter_groups(
        model.parameters(), model.backbone, Grouping(decay_norms=False), lr=0.1, weight_decay=0.01
    )
    assert {group["weight_decay"]: {p.ndim > 1 for p in group["params"]} for group in groups} == {
        0.01: {True},
        0.0: {False},
    }
    assert len(groups) == 2


@pytest.mark.parametrize("name", TASKS)
def test_by_default_there_is_one_group_as_pytorch_makes_it(name):
    model = TASKS[name]()
    _, optimizer = settings(model)
    plain = torch.optim.SGD(model.parameters(), model.lr, model.momentum, weight_decay=model.weight_decay)
    (group,), (expected,) = optimizer.param_groups, plain.param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in expected["params"]]
    assert {key: group[key] for key in expected if key != "params"} == {
        key: value for key, value in expected.items() if key != "params"
    }


@pytest.mark.parametrize("name", TASKS)
def test_every_argument_reaches_the_optimizer_of_every_task(name):
    plain, _ = settings(TASKS[name]())
    for given in ({"backbone_lr": 0.5}, {"layer_decay": 0.5}, {"decay_norms": False}):
        changed, _ = settings(TASKS[name](**given))
        moved = {where for where in plain if changed[where] != plain[where]}
        if "decay_norms" in given:
            assert {where for where in plain if changed[where][1] == 0} == moved
            assert "backbone.stem.1.weight" in moved
            assert "backbone.stem.0.weight" not in moved
        else:
            assert moved == {where for where in plain if where.startswith("backbone.")}


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (ResidualBackbone(4, (2, 4, 8)), 3),
        (SelectedFeatures(ResidualBackbone(4, (2, 4, 8)), (-1,)), 3),
        (CHAIN.supernet(), 5),
        (Darts(channels=4, cells=3).supernet(), 3),
        (NasBench201(channels=4, cells=1).supernet(), 3),
        (ShuffleNetV2(stem_channels=4, widths=(8, 8), depths=(2, 2), head_channels=0).supernet(), 2),
        (Elastic("mobilenetv2_050", kernels=(3,), depths=(1,), widths=(50,)).supernet(), 5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else str(value),
)
def test_the_stages_of_a_backbone_hold_every_parameter_once(network, count):
    found = stages(network)
    assert len(found) == count
    assert [id(p) for stage in found for p in stage] == [id(p) for p in network.parameters()]


@pytest.mark.parametrize("kind", ["supernet", "network"])
def test_the_neck_of_a_product_has_the_rate_of_the_head(kind):
    space = Product({"image": ImageSize(scales=(50, 100)), "body": CHAIN, "neck": Fpn(channels=8, max_level=5)})
    network = space.supernet() if kind == "supernet" else space.network(space.sample(random.Random(0)))
    found, _ = settings(DetectionTask(network, 3, lr=1.0, warmup_steps=0, detector="fcos", backbone_lr=0.1))
    assert {rate for name, (rate, _) in found.items() if name.startswith("backbone.parts.body.")} == {0.1}
    assert {rate for name, (rate, _) in found.items() if not name.startswith("backbone.parts.body.")} == {1.0}


# ---- what a training makes of them ---------------------------------------------------------------------------------------


def stepped(folder, **given):
    """The task and its weights before the one step of SGD that it made."""
    model = ClassificationTask(body(), 3, lr=0.1, momentum=0.0, **given)
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.linear.weight)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fitted(folder, model, limit_train_batches=1)
    return model, before


def test_a_step_of_sgd_moves_every_stage_by_its_share(tmp_path):
    def moved(**given):
        model, before = stepped(tmp_path, weight_decay=0.0, **given)
        return {name: p.detach() - before[name] for name, p in model.named_parameters()}

    plain, decayed = moved(), moved(backbone_lr=0.5, layer_decay=0.8)
    shares = {"backbone.stem": 0.5 * 0.8**3, "backbone.stages.1": 0.5 * 0.8**2, "backbone.stages.2": 0.4, "head": 1.0}
    for prefix, share in shares.items():
        for name in (name for name in plain if name.startswith(prefix)):
            torch.testing.assert_close(decayed[name], share * plain[name], rtol=1e-3, atol=1e-6)


def test_a_step_of_sgd_leaves_norms_as_large_as_they_are_where_asked_for(tmp_path):
    plain, before = stepped(tmp_path, weight_decay=0.5)
    spared, _ = stepped(tmp_path, weight_decay=0.5, decay_norms=False)
    for (name, p), kept in zip(plain.named_parameters(), spared.parameters(), strict=True):
        expected = 0.1 * 0.5 * before[name] if p.ndim == 1 else torch.zeros_like(p)
        torch.testing.assert_close(kept.detach() - p.detach(), expected, rtol=1e-4, atol=1e-6)


def test_a_resumed_training_ends_at_the_same_weights(tmp_path):
    def fit(folder, resume=None):
        given = {"backbone_lr": 0.5, "layer_decay": 0.8, "decay_norms": False, "lr_min": 0.01}
        model = ClassificationTask(body(), 3, **given)
        every = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
        fitted(folder, model, resume=resume, callbacks=[every], enable_checkpointing=True, max_epochs=3)
        return model.state_dict()

    whole = fit(tmp_path / "whole")
    resumed = fit(tmp_path / "resumed", tmp_path / "whole" / "epoch=0.ckpt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_logits_of_a_search_stay_out_of_all_groups(tmp_path):
    model = ClassificationTask(CHAIN.supernet(), 3, backbone_lr=0.5, layer_decay=0.8, decay_norms=False)
    search = SearchModule(model, DartsSteps(lr=0.1))
    run = fitted(tmp_path, search, BilevelDataModule(Batches()), limit_train_batches=1)
    logits = {id(p) for p in model.backbone.logits.values()}
    held = [id(p) for group in run.optimizers[0].param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters() if id(p) not in logits)
    assert all(group["params"] for group in run.optimizers[0].param_groups)


# ---- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    "given",
    [
        {"backbone_lr": 0.0}, {"backbone_lr": -1}, {"backbone_lr": math.inf}, {"backbone_lr": True},
        {"layer_decay": 0}, {"layer_decay": 1.01}, {"layer_decay": math.nan}, {"layer_decay": "0.8"},
        {"decay_norms": 0}, {"decay_norms": None},
    ],
)  # fmt: skip
def test_bad_values_are_named(name, given):
    ((argument, value),) = given.items()
    with pytest.raises(ArgumentError, match=f"{argument} must be .*got {value!r}"):
        TASKS[name](**given)


def test_a_trellis_has_one_rate():
    supernet = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2).supernet()
    with pytest.raises(ArgumentError, match="layer_decay must be 1 for AutoDeepLab"):
        SegmentationTask(supernet, 3, head="per_level", layer_decay=0.8)
    found, _ = settings(SegmentationTask(supernet, 3, head="per_level", lr=1.0, backbone_lr=0.5))
    assert {name.split(".")[0]: rate for name, (rate, _) in found.items()} == {"backbone": 0.5, "head": 1.0}

"""Searching detectors: every backbone space, with every kind of strategy, also in bfloat16."""

import pytest
import pytorch_lightning as pl
import torch

from lightning_nas.search import BilevelDataModule, SampledPaths, SearchModule
from lightning_nas.spaces import Chain, Darts, Fpn, NasBench201, NasFpn, Product, ShuffleNetV2, from_architecture
from lightning_nas.strategies import Darts as DartsStrategy
from lightning_nas.tasks.detection import DetectionTask, ShapesDataModule

NECK = NasFpn(channels=8, cells=3, repeats=1, min_level=3, max_level=5)
BACKBONES = {
    "chain": Chain(stem_channels=4, first_channels=4, widths=(4, 6, 8, 8), depths=(2, 1, 1, 1), strides=(2,) * 4),
    "darts": Darts(channels=4, cells=3, steps=2, stem="imagenet"),
    "nasbench201": NasBench201(channels=4, cells=1, stem="imagenet"),
    "shufflenetv2": ShuffleNetV2(stem_channels=4, widths=(8, 8, 12, 12), depths=(1, 1, 1, 1), head_channels=0),
}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    return ShapesDataModule(str(folder), image_size=64, train=8, val=2, test=2, batch_size=2, augmentation="none")


def task(space):
    torch.manual_seed(0)
    return DetectionTask(
        space.supernet(), 4, detector="retinanet", min_size=64, max_size=64, anchor_scale=2.0, head_convs=1, norm="group",
        optimizer="adamw", lr=1e-3, warmup_steps=0,
    )  # fmt: skip


def fit(module, data, folder, callbacks=(), **arguments):
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder, callbacks=list(callbacks), **arguments,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    return trainer


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("sampler", ["softmax", "gumbel_hard"])
def test_backbone_and_neck_are_searched_together(shapes, tmp_path, backbone, sampler):
    space = Product({"backbone": BACKBONES[backbone], "neck": NECK})
    module = SearchModule(task(space), DartsStrategy(sampler=sampler, lr=0.1))
    before = {name: group.detach().clone() for name, group in module.supernet.logits.items()}
    fit(module, BilevelDataModule(shapes), tmp_path)
    assert {name.split("/")[0] for name in before} == {"backbone", "neck"}
    assert all(not torch.equal(group, before[name]) for name, group in module.supernet.logits.items())
    rebuilt, choices = from_architecture(module.architecture())
    found = DetectionTask(rebuilt.network(choices), 4, min_size=64, max_size=64, anchor_scale=2.0)
    assert len(found.eval()([torch.rand(3, 64, 64)])) == 1


@pytest.mark.parametrize("neck", [NECK, Fpn(channels=8, max_level=5)], ids=["nas_fpn", "fpn"])
def test_sampled_paths_train_a_detector(shapes, tmp_path, neck):
    space = Product({"backbone": BACKBONES["shufflenetv2"], "neck": neck})
    model = task(space)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(model, shapes, tmp_path, [SampledPaths(0)])
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert any(".candidates." in name for name in moved)
    assert any("parts.neck" in name for name in moved)
    assert not any(name.startswith("backbone.logits.") for name in moved)


def test_a_search_in_bfloat16_moves_logits_and_keeps_float32_weights(shapes, tmp_path):
    module = SearchModule(task(Product({"backbone": BACKBONES["chain"], "neck": NECK})), DartsStrategy(lr=0.1))
    before = {name: group.detach().clone() for name, group in module.supernet.logits.items()}
    trainer = fit(module, BilevelDataModule(shapes), tmp_path, precision="bf16-mixed")
    assert all(not torch.equal(group, before[name]) for name, group in module.supernet.logits.items())
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert trainer.callback_metrics["train/loss"].isfinite()


def test_a_backbone_without_the_levels_is_refused_at_once():
    space = Product({"backbone": Darts(channels=4, cells=3), "neck": NECK})
    with pytest.raises(ValueError, match=r"maps of stride 8 .* got the strides \[1, 2, 4\]"):
        space.supernet()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_search_on_a_gpu_moves_all_logits(shapes, tmp_path):
    module = SearchModule(task(Product({"backbone": BACKBONES["chain"], "neck": NECK})), DartsStrategy(lr=0.1))
    before = {name: group.detach().clone() for name, group in module.supernet.logits.items()}
    trainer = pl.Trainer(
        accelerator="gpu", devices=1, precision="bf16-mixed", max_epochs=1, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, datamodule=BilevelDataModule(shapes))
    assert all(not torch.equal(group.cpu(), before[name]) for name, group in module.supernet.logits.items())

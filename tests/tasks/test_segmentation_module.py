"""The segmentation task: its heads, what it learns, what it refuses."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import AutoDeepLab, published
from lightning_nas.strategies import Darts
from lightning_nas.tasks.segmentation import SegmentationTask
from lightning_nas.tasks.segmentation.data.labels import IGNORE
from lightning_nas.tasks.segmentation.heads import PerLevelHead, build_head


def task(**changed):
    return SegmentationTask(
        ResidualBackbone(4, (2, 4, 8)), 3, **{"channels": 8, "optimizer": "adamw", "lr": 0.01} | changed
    )


def scenes(count, size=(24, 40), seed=0):
    """Images whose brightness says the class, with a stripe that does not count."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count, size[0] // 8, size[1] // 8), generator=generator)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    images = labels[:, None].float() / 2 + 0.05 * torch.randn(count, 3, *size, generator=generator)
    labels = labels.clone()
    labels[:, :, :3] = IGNORE
    return list(zip(images, labels, strict=True))


# ---- heads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "parameters"), [(20, 10_147_427), (32, 21_622_451), (48, 44_424_691)])
def test_auto_deeplab_has_its_published_size(channels, parameters):
    with torch.device("meta"):
        network = SegmentationTask(build_network(published("auto_deeplab", channels=channels)), 19, head="deeplab")
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert [conv[0].dilation[0] for conv in network.head.aspp.convs[1:4]] == [12, 24, 36]


def test_auto_deeplab_with_separable_convolutions_in_the_head_has_its_published_size():
    network = SegmentationTask(build_network(published("auto_deeplab")), 19, head="deeplab", separable=True)
    assert sum(p.numel() for p in network.parameters()) == 7_784_507
    assert [conv[0].dilation[0] for conv in network.head.aspp.convs[1:4]] == [12, 24, 36]
    assert network.eval()(torch.rand(1, 3, 65, 65)).shape == (1, 19, 65, 65)


def test_the_search_head_pools_every_level_at_its_own_rate():
    supernet = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2).supernet()
    head = PerLevelHead(supernet.feature_info, 5).eval()
    assert [level[0].convs[1][0].dilation[0] for level in head.levels] == [24, 12, 6, 3]
    assert [level[0].project[0].out_channels for level in head.levels] == [4, 8, 16, 32]
    maps = [torch.randn(2, c, 32 // s, 64 // s) for c, s in ((4, 4), (8, 8), (16, 16), (32, 32))]
    expected = sum(
        nn.functional.interpolate(level(x), (32, 64), mode="bilinear", align_corners=True)
        for level, x in zip(head.levels, maps, strict=True)
    )
    torch.testing.assert_close(head(maps, (32, 64)), expected)


@pytest.mark.parametrize("head", ["deeplab", "per_level", "light"])
@pytest.mark.parametrize("size", [(33, 47), (32, 64)])
def test_logits_have_the_size_of_the_image(head, size):
    assert task(head=head)(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_the_network_sees_normalised_images():
    model = task().eval()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.full((1, 3, 16, 16), 0.5))
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx(
        [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]
    )


# ---- the task ---------------------------------------------------------------------------------------------------


class Scenes(pl.LightningDataModule):
    class_names = ("dark", "grey", "bright")

    def train_dataloader(self):
        return DataLoader(scenes(32), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(0))

    def val_dataloader(self):
        return DataLoader(scenes(8, seed=1), batch_size=4)

    def test_dataloader(self):
        unequal = [*scenes(2, seed=2), *scenes(2, (16, 24), seed=3)]
        return DataLoader(
            unequal, batch_size=4, collate_fn=lambda samples: tuple(map(list, zip(*samples, strict=True)))
        )


def trainer(folder, **arguments):
    return pl.Trainer(default_root_dir=folder, logger=False, enable_progress_bar=False, enable_model_summary=False,
                      enable_checkpointing=False, num_sanity_val_steps=0, accelerator="cpu", **arguments)  # fmt: skip


def test_it_learns_and_leaves_pictures(tmp_path):
    torch.manual_seed(0)
    model = task()
    run = trainer(tmp_path, max_epochs=8)
    run.fit(model, datamodule=Scenes())
    assert float(run.callback_metrics["val/miou"]) > 0.7
    (metrics,) = run.test(model, datamodule=Scenes(), verbose=False)
    assert metrics["test/miou"] > 0.6
    assert {"test/iou/dark", "test/iou/grey", "test/iou/bright", "test/f1", "test/pixel_accuracy"} <= set(metrics)
    assert Image.open(tmp_path / "samples.jpg").size[0] == 1080


def test_poly_falls_as_its_power_says(tmp_path):
    model = task(optimizer="sgd", lr=0.1, schedule="poly", power=0.5, warmup_steps=0)
    rates = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer, module):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    trainer(tmp_path, max_epochs=4, callbacks=[Watch()], limit_train_batches=1, limit_val_batches=0).fit(
        model, Scenes()
    )
    assert rates == pytest.approx([0.1 * (1 - epoch / 4) ** 0.5 for epoch in range(4)])


@pytest.mark.parametrize("norm", ["group", "frozen"])
def test_other_norms_reach_backbone_and_head(norm):
    model = task(norm=norm)
    assert not any(isinstance(m, nn.BatchNorm2d) for part in (model.backbone, model.head) for m in part.modules())
    model(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_supernet_trains_in_every_mode(tmp_path, precision, recompute):
    torch.manual_seed(0)
    ops = ("none", "skip_connect", "sep_conv_3x3", "max_pool_3x3")
    supernet = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2, ops=ops).supernet()
    model = SegmentationTask(supernet, 3, head="per_level", recompute=recompute, optimizer="adamw", lr=0.01)
    run = trainer(tmp_path, max_epochs=1, precision=precision, limit_train_batches=2, limit_val_batches=1)
    run.fit(model, Scenes())
    assert torch.isfinite(run.callback_metrics["train/loss"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": "fcn"}, "head must be"),
        ({"schedule": "steps"}, "schedule must be"),
        ({"class_weights": [1.0]}, "class_weights must be 3 numbers"),
        ({"ohem_threshold": 2.0}, "ohem_threshold"),
        ({"eval_window": [0, 4]}, "eval_window"),
        ({"eval_overlap": 1.0}, "eval_overlap"),
        ({"eval_scales": []}, "eval_scales"),
        ({"dropout": 1.5}, "dropout"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        task(**arguments)


def test_every_argument_of_the_loss_changes_it():
    torch.manual_seed(0)
    images, labels = (torch.stack(part) for part in zip(*scenes(4), strict=True))
    losses = []
    for changed in (
        {},
        {"class_weights": [1.0, 5.0, 1.0]},
        {"ohem_threshold": 0.35},
        {"ohem_threshold": 1e-5, "ohem_least": 0.5},
    ):
        torch.manual_seed(1)
        model = task(dropout=0.0, **changed)
        model.log = lambda *args, **kwargs: None
        losses.append(float(model.training_step((images, labels), 1)))
    assert len(set(losses)) == 4


def test_predictions_are_label_maps_and_overlays(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray((np.random.default_rng(0).random((20, 34, 3)) * 255).astype(np.uint8)).save(folder / "a.png")
    model = task().eval()
    classes = [{"id": i, "name": str(i), "color": [0, 9 * i, 0]} for i in (7, 11, 26)]
    model.predict_folder(folder, tmp_path / "out", classes, batch_size=1)
    labels = np.array(Image.open(tmp_path / "out" / "labels" / "a.png"))
    image = torch.from_numpy(np.array(Image.open(folder / "a.png"))).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = np.array([7, 11, 26])[model(image)[0].argmax(0).numpy()]
    assert (labels == expected).all()
    assert Image.open(tmp_path / "out" / "overlays" / "a.png").size == (34, 20)
    Image.new("RGB", (8, 8)).save(folder / "a.jpg")
    with pytest.raises(ValueError, match="several images are named 'a'"):
        model.predict_folder(folder, tmp_path / "out", classes, batch_size=1)


def test_heads_are_found_by_name():
    with pytest.raises(ValueError, match="head must be one of"):
        build_head("unet", ResidualBackbone(4, (2, 4)).feature_info, 2, 8, 0.1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_search_of_the_trellis_on_a_gpu_moves_all_logits(tmp_path):
    supernet = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2).supernet()
    model = SegmentationTask(supernet, 3, head="per_level", recompute=True, norm="sync", optimizer="adamw", lr=0.01)
    module = SearchModule(model, Darts(lr=0.1))
    before = {name: group.detach().clone() for name, group in supernet.logits.items()}
    run = pl.Trainer(
        accelerator="gpu", devices=1, precision="bf16-mixed", max_epochs=1, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    run.fit(module, datamodule=BilevelDataModule(Scenes()))
    assert all(not torch.equal(group.cpu(), before[name]) for name, group in supernet.logits.items())

"""Segmenters whose image size, backbone and head are searched together, and the plain ones that are cut out of them."""

import copy
import random

import pytest
import pytorch_lightning as pl
import torch

from lightning_nas.errors import ArgumentError
from lightning_nas.networks import cut_network
from lightning_nas.search import SampledPaths
from lightning_nas.spaces import AtrousHead, Elastic, ImageSize, Product, TowerHead, from_architecture
from lightning_nas.tasks.segmentation import SegmentationTask, StreetsDataModule

BODY = Elastic("mobilenetv2_050", kernels=(), depths=(1,), widths=(50,))
PARTS = {"image": ImageSize(scales=(50, 100)), "backbone": BODY}
HEADS = {
    "deeplab": AtrousHead(widths=(50,), rates=(50, 200)),
    "light": AtrousHead(widths=(25, 50), rates=()),
}


def task(network, head="deeplab", **arguments):
    torch.manual_seed(0)
    return SegmentationTask(network, 19, head=head, channels=32, **arguments)


@pytest.mark.parametrize("head", HEADS)
def test_the_plain_segmenter_that_is_cut_out_says_what_the_active_path_says(head):
    space = Product({**PARTS, "head": HEADS[head]})
    whole = task(space.supernet(), head)
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        whole(x)  # moves the statistics away from their start
    whole.eval()
    for choices in [space.smallest(), space.largest(), *(space.sample(random.Random(seed)) for seed in range(3))]:
        whole.backbone.activate(choices)
        rebuilt, again = from_architecture(space.architecture(choices))
        plain = task(rebuilt.network(again), head)
        plain.load_state_dict(cut_network(whole, plain, choices))
        with torch.no_grad():
            torch.testing.assert_close(plain.eval()(x), whole(x), rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(copy.deepcopy(whole)(x), whole(x))


def test_the_head_of_a_found_segmenter_has_the_size_that_was_chosen():
    space = Product({**PARTS, "head": HEADS["deeplab"]})
    small, large = (task(space.network(choices)).head for choices in (space.smallest(), space.largest()))
    assert (small.aspp.project[0].out_channels, large.aspp.project[0].out_channels) == (16, 32)
    assert (small.aspp.convs[3][0].dilation, large.aspp.convs[3][0].dilation) == ((4, 4), (18, 18))


def test_sampled_paths_train_every_part(tmp_path):
    data = StreetsDataModule(
        str(tmp_path / "streets"),
        height=32,
        width=64,
        train=8,
        val=2,
        test=2,
        crop=(32, 32),
        batch_size=4,
        augmentation="none",
    )
    model = task(Product({**PARTS, "head": HEADS["deeplab"]}).supernet())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path, callbacks=[SampledPaths(0)],
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert any(name.startswith("backbone.parts.backbone") for name in moved)
    assert any(name.startswith("head.aspp") for name in moved)
    assert trainer.callback_metrics["train/loss"].isfinite()


@pytest.mark.parametrize(
    ("head", "arguments", "named"),
    [
        (TowerHead(), {}, "tower_head"),
        (AtrousHead(rates=()), {"head": "per_level"}, "width"),
        (AtrousHead(), {"head": "light"}, "rates"),
        (AtrousHead(), {"separable": True}, "separable"),
        (AtrousHead(), {"norm": "group"}, "norm"),
    ],
)
def test_a_head_that_cannot_be_built_is_refused(head, arguments, named):
    with pytest.raises(ArgumentError, match=named):
        task(Product({**PARTS, "head": head}).supernet(), **arguments)

"""The size of the image as a decision: in a product, in a detector, in a segmenter, and in the count of multiply-adds."""

import random

import pytest
import torch
from torch import nn

from lightning_nas import load_backbone
from lightning_nas.errors import ArgumentError
from lightning_nas.search.costs import cost_of_task
from lightning_nas.spaces import Chain, Darts, Fpn, ImageSize, Product, from_architecture
from lightning_nas.spaces.image_size.network import image_part
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask

BODY = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 8, 8), depths=(1,) * 4, strides=(2,) * 4)
SIZES = ImageSize(scales=(50, 75, 100))
SPACE = Product({"image": SIZES, "backbone": BODY, "neck": Fpn(channels=8, max_level=5)})
OPS = {f"backbone/{name}": "mbconv_k3_e3" for name in BODY.decisions}


class ImagesOf64:
    """Data that say of what size they are."""

    in_channels, image_size = 3, (64, 64)


def network(size, space=SPACE):
    torch.manual_seed(0)
    return space.network({**OPS, "image/size": size}).eval()


def test_the_image_is_resized_for_any_module():
    x = torch.rand(2, 3, 40, 60)
    small = nn.functional.interpolate(x, size=(20, 30), mode="bilinear", antialias=True)
    whole, half = network(100), network(50)
    for ours, expected in zip(half(x), whole(small), strict=True):
        assert torch.equal(ours, expected)
    assert [m.shape[-1] for m in half(x)] == [4, 2, 1]


def test_a_supernet_gives_the_size_that_is_active():
    supernet = SPACE.supernet().eval()
    x = torch.rand(1, 3, 64, 64)
    widths = []
    for size in (50, 75, 100):
        supernet.activate({**OPS, "image/size": size})
        widths.append(supernet(x)[0].shape[-1])
    assert widths == [4, 6, 8]
    supernet.activate(None)
    assert supernet(x)[0].shape[-1] == 8


def test_the_record_holds_the_size_and_channels_reach_both_parts():
    choices = SPACE.sample(random.Random(0))
    record = SPACE.architecture(choices)
    assert list(record.components) == ["image", "backbone", "neck"]
    assert from_architecture(record) == (SPACE, choices)
    assert load_backbone(record, in_channels=1)(torch.rand(1, 1, 64, 64))
    assert SPACE.pictures(choices) is not None


def test_the_auxiliary_map_is_that_of_the_backbone_behind_it():
    space = Product({"image": SIZES, "backbone": Darts(channels=4, cells=3)})
    found = space.network(space.sample(random.Random(0)))
    maps, auxiliary = found.forward_auxiliary(torch.rand(2, 3, 32, 32))
    assert found.auxiliary_info is not None
    assert auxiliary.shape[1] == found.auxiliary_info.channels
    assert found.role == "backbone"
    assert len(maps) == len(found.feature_info)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ImageSize(scales=()), "scales"),
        (lambda: ImageSize(scales=(0, 50)), "scales"),
        (lambda: Product({"a": SIZES, "image": SIZES, "backbone": BODY}), "another size"),
        (lambda: Product({"backbone": BODY, "image": SIZES}), "order"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ArgumentError, match=named):
        make()


# ---- detection -----------------------------------------------------------------------------------------------------------


def detector(found, **arguments):
    torch.manual_seed(0)
    return DetectionTask(
        found, 4, min_size=64, max_size=96, anchor_scale=2.0, head_convs=1, detector="fcos", warmup_steps=0, **arguments
    ).eval()


def test_a_detector_resizes_in_its_own_transform_and_the_part_steps_aside():
    task = detector(network(50))
    batch, targets = task.detector.transform(
        [torch.rand(3, 40, 80)], [{"boxes": torch.tensor([[8.0, 4.0, 40.0, 20.0]]), "labels": torch.ones(1)}]
    )
    assert tuple(batch.image_sizes[0]) == (24, 48)  # the longer side of 96 becomes 48
    torch.testing.assert_close(targets[0]["boxes"], torch.tensor([[4.8, 2.4, 24.0, 12.0]]))
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(image_part(task.backbone)(x)[0], x)
    assert task.input_size == (3, 32, 32)


def test_boxes_come_back_in_the_coordinates_of_the_given_image():
    tasks = {size: detector(network(size)) for size in (50, 100)}
    tasks[50].load_state_dict(tasks[100].state_dict())
    image = torch.rand(3, 64, 64)
    half = nn.functional.interpolate(image[None], scale_factor=0.5, mode="bilinear", antialias=True)[0]
    plain = detector(network(100))
    plain.load_state_dict(tasks[100].state_dict())
    plain.detector.transform.sides = (32, 48)
    plain.detector.transform.size_divisible = 32
    for task in (tasks[50], plain):
        task.detector.score_thresh = 0.0
    ours, theirs = tasks[50]([image])[0], plain([half])[0]
    assert len(ours["boxes"]) > 10
    torch.testing.assert_close(ours["boxes"], 2 * theirs["boxes"])
    assert float(ours["boxes"].detach().max()) > 40


def test_the_supernet_of_a_detector_follows_the_active_size():
    task = detector(SPACE.supernet())
    sizes = []
    for size in (50, 75, 100):
        task.backbone.activate({**OPS, "image/size": size})
        sizes.append(task.detector.transform([torch.rand(3, 64, 64)])[0].tensors.shape[-1])
    assert sizes == [32, 64, 64]  # padded to a multiple of 32
    assert task.detector.transform.active_sides == (64, 96)


# ---- segmentation and cost ---------------------------------------------------------------------------------------------------


def test_a_segmenter_labels_every_pixel_of_the_given_image():
    space = Product({"image": SIZES, "backbone": BODY})
    task = SegmentationTask(network(50, space), 3, head="light", channels=8).eval()
    assert task(torch.rand(2, 3, 48, 64)).shape == (2, 3, 48, 64)


def test_multiply_adds_follow_the_size():
    space = Product({"image": SIZES, "backbone": BODY})
    found = {}
    for size in (50, 100):
        segmenter = SegmentationTask(network(size, space), 3, head="light", channels=8)
        found[size] = cost_of_task(segmenter, ImagesOf64())
    assert found[50].input_size == (3, 64, 64)
    assert 3.5 < found[100].backbone.macs / found[50].backbone.macs < 4.5
    assert 3.5 < found[100].network.macs / found[50].network.macs < 4.5
    detection = {size: cost_of_task(detector(network(size)), None).network.macs for size in (50, 100)}
    assert 3.5 < detection[100] / detection[50] < 4.5

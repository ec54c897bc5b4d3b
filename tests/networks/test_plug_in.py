"""A found backbone in other people's hands: torchvision's detectors, compilers, exporters, memory formats."""

import random

import pytest
import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.segmentation import FCN, LRASPP, DeepLabV3
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from lightning_nas.networks import as_named, load_backbone, with_fpn
from lightning_nas.ops import DropPath
from lightning_nas.spaces import Darts

SPACE = Darts(channels=4, cells=3, steps=2, stem="imagenet")
ARCHITECTURE = SPACE.architecture(SPACE.sample(random.Random(5)))


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return load_backbone(ARCHITECTURE, out_indices=(1, 2, 3, 4))


def image_and_target():
    torch.manual_seed(2)
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 50.0], [20.0, 10.0, 60.0, 60.0]]), "labels": torch.tensor([1, 2])}
    return [torch.rand(3, 64, 64), torch.rand(3, 64, 80)], [target, target]


@pytest.mark.parametrize(("detector", "extra"), [(RetinaNet, None), (FasterRCNN, None), (RetinaNet, "p6p7")])
def test_torchvision_detectors_train_and_predict(detector, extra, backbone):
    if extra is None:
        body = with_fpn(backbone, 16)
    else:
        body = with_fpn(load_backbone(ARCHITECTURE, out_indices=(2, 3, 4)), 16, extra_blocks=LastLevelP6P7(16, 16))
    model = detector(body, num_classes=3, min_size=64, max_size=96)
    images, targets = image_and_target()
    losses = model(images, targets)
    total = sum(losses.values())
    total.backward()
    assert len(losses) >= 2
    assert torch.isfinite(total)
    stem = next(p for name, p in body.body.named_parameters() if "stem0.0" in name)
    assert stem.grad is not None
    assert stem.grad.abs().sum() > 0

    model.eval()
    with torch.no_grad():
        predictions = model(images)
    assert len(predictions) == 2
    for prediction in predictions:
        assert set(prediction) == {"boxes", "labels", "scores"}
        assert len(prediction["boxes"]) == len(prediction["scores"])


def test_pyramid_has_named_maps_of_one_width(backbone):
    body = with_fpn(backbone, out_channels=8)
    maps = body(torch.zeros(1, 3, 64, 64))
    assert list(maps) == ["0", "1", "2", "3", "pool"]
    assert [m.shape[1:] for m in maps.values()] == [(8, s, s) for s in (16, 8, 4, 2, 1)]
    assert body.out_channels == 8
    assert with_fpn(backbone).out_channels == 256


@pytest.mark.parametrize(
    ("detector", "indices"),
    [(RetinaNet, (2,)), (RetinaNet, (0, 1, 2, 3, 4)), (FCOS, (1, 3)), (FasterRCNN, (2, 3, 4)), (FasterRCNN, (2,))],
)
def test_detectors_have_anchors_for_any_number_of_levels(detector, indices):
    body = with_fpn(load_backbone(ARCHITECTURE, out_indices=indices), 32)
    assert len(body(torch.zeros(1, 3, 64, 64))) == 5
    model = detector(body, num_classes=3, min_size=64, max_size=64)
    images, targets = image_and_target()
    assert torch.isfinite(sum(model(images, targets).values()))
    assert len(model.eval()(images)) == 2


def test_a_supernet_under_a_detector():
    supernet = SPACE.supernet(out_indices=(1, 2, 3, 4))
    model = RetinaNet(with_fpn(supernet, 8), num_classes=3, min_size=64, max_size=64)
    images, targets = image_and_target()
    sum(model(images, targets).values()).backward()
    assert all(group.grad.abs().sum() > 0 for group in supernet.logits.values())


@pytest.mark.parametrize("make", [lambda: load_backbone(ARCHITECTURE), SPACE.supernet])
def test_torchvision_segments(make):
    x = torch.randn(2, 3, 64, 64)
    body = as_named(make(), out=-2, aux=2)
    assert body.out_channels == {"out": 16, "aux": 8}
    for model, head in ((DeepLabV3, DeepLabHead(16, 5)), (FCN, FCNHead(16, 5))):
        out = model(body, head, FCNHead(8, 5))(x)
        assert [out[name].shape for name in ("out", "aux")] == [(2, 5, 64, 64)] * 2
    named = as_named(make(), low=1, high=-1)
    model = LRASPP(named, named.out_channels["low"], named.out_channels["high"], num_classes=5)
    out = model.eval()(x)["out"]
    assert out.shape == (2, 5, 64, 64)
    out.sum().backward()
    assert next(p for name, p in named.named_parameters() if "stem0.0" in name).grad.abs().sum() > 0
    with pytest.raises(ValueError, match="level 5 does not exist"):
        as_named(make(), out=5)


def test_named_maps_are_those_of_the_backbone(backbone):
    x = torch.randn(1, 3, 64, 64)
    backbone.eval()
    maps, named = backbone(x), as_named(backbone, b=-1, a=0)(x)
    assert list(named) == ["b", "a"]
    assert torch.equal(named["a"], maps[0])
    assert torch.equal(named["b"], maps[3])


def test_feature_extractor_of_torchvision_with_a_pyramid(backbone):
    backbone.eval()
    names = backbone.feature_info.module_name()
    extractor = create_feature_extractor(backbone, dict(zip(names, "0123", strict=True)))
    pyramid = FeaturePyramidNetwork(backbone.feature_info.channels(), 8)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert_close(list(extractor(x).values()), backbone(x))
        assert [m.shape[-1] for m in pyramid(extractor(x)).values()] == [16, 8, 4, 2]


def test_feature_extractor_drops_paths_in_training(backbone):
    for module in backbone.modules():
        if isinstance(module, DropPath):
            module.rate = 0.5
    names = backbone.feature_info.module_name()
    extractor = create_feature_extractor(backbone, names).train()
    x = torch.randn(2, 3, 64, 64)
    maps = []
    for network in (backbone.train(), extractor):
        torch.manual_seed(3)
        maps.append(network(x))
    assert_close(list(maps[1].values()), maps[0])
    assert not torch.equal(extractor(x)[names[-1]], maps[0][-1])


def test_a_pyramid_needs_maps_that_become_coarser():
    with pytest.raises(ValueError, match=r"reductions \[32, 4\]"):
        with_fpn(load_backbone(ARCHITECTURE, out_indices=(4, 1)))


@pytest.fixture
def evaluated(backbone):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    backbone.eval()
    with torch.no_grad():
        return backbone, x, backbone(x)


def assert_close(maps, expected):
    assert len(maps) == len(expected)
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_compile_gives_one_graph(evaluated):
    backbone, x, expected = evaluated
    compiled = torch.compile(backbone, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        assert_close(compiled(x), expected)


@pytest.mark.slow
def test_compile_with_the_default_backend_trains(backbone):
    compiled = torch.compile(backbone)
    sum(m.square().mean() for m in compiled(torch.randn(2, 3, 64, 64))).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_export_with_free_batch_size(evaluated, tmp_path):
    backbone, x, expected = evaluated
    program = torch.export.export(backbone, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    torch.export.save(program, tmp_path / "backbone.pt2")
    loaded = torch.export.load(tmp_path / "backbone.pt2").module()
    assert_close(loaded(x), expected)
    assert loaded(torch.zeros(5, 3, 64, 64))[0].shape[0] == 5


def test_torchscript_trace(evaluated, tmp_path):
    backbone, x, expected = evaluated
    traced = torch.jit.trace(backbone, x, strict=False)
    traced.save(str(tmp_path / "backbone.ts"))
    loaded = torch.jit.load(str(tmp_path / "backbone.ts"))
    assert_close(loaded(x), expected)
    with torch.no_grad():
        larger = torch.randn(1, 3, 96, 64)
        assert_close(loaded(larger), backbone(larger))


def test_channels_last(evaluated):
    backbone, x, expected = evaluated
    backbone = backbone.to(memory_format=torch.channels_last)
    with torch.no_grad():
        maps = backbone(x.to(memory_format=torch.channels_last))
    assert_close(maps, expected)
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in maps)


def test_in_a_plain_module_its_parameters_train(backbone):
    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = backbone
            self.head = nn.Conv2d(backbone.feature_info.channels()[0], 2, 1)

        def forward(self, x):
            return self.head(self.backbone(x)[0])

    model = Segmenter()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = backbone.network.macro.stem0[0].weight.detach().clone()
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    optimizer.step()
    assert not torch.equal(backbone.network.macro.stem0[0].weight, before)

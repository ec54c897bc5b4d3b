"""Width and repeats of necks: slices of the largest one, behind backbones of any width."""

import random

import pytest
import torch

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Chain, Elastic, ElasticNeck, FeatureInfo, FeatureLevel, Product, from_architecture
from lightning_nas.testing import SpaceContract

INFO = FeatureInfo((FeatureLevel(6, 4), FeatureLevel(16, 8), FeatureLevel(4, 16), FeatureLevel(32, 32)))
TINY = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 6, 8), depths=(1,) * 4, strides=(2,) * 4)
NECKS = {
    "fpn": ElasticNeck("fpn", channels=32, widths=(50, 75)),
    "pooled": ElasticNeck("fpn", channels=32, widths=(50,), extra="pool"),
    "panet": ElasticNeck("panet", channels=32, widths=(50,)),
    "bifpn": ElasticNeck("bifpn", channels=32, widths=(50,), repeats=(1, 2, 3)),
    "nas_fpn": ElasticNeck("nas_fpn", channels=32, widths=(50,), repeats=(1, 2)),
}


class TestElasticNeckBehindAChain(SpaceContract):
    @pytest.fixture
    def space(self):
        small = ElasticNeck("bifpn", 16, widths=(50,), repeats=(1, 2, 3), max_level=5)
        return Product({"backbone": TINY, "neck": small}, fixed={"backbone": TINY.sample(random.Random(0))})


def maps(size=128):
    torch.manual_seed(1)
    return [torch.randn(2, level.channels, size // level.reduction, size // level.reduction) for level in INFO]


@pytest.mark.parametrize("kind", NECKS)
def test_every_neck_is_a_slice_of_the_largest(kind):
    space = NECKS[kind]
    torch.manual_seed(0)
    supernet = space.supernet(inputs=INFO)
    with torch.no_grad():
        for _ in range(2):
            supernet(maps())  # moves the statistics away from their start
    supernet.eval()
    seen = set()
    for seed in range(6):
        choices = space.sample(random.Random(seed))
        found = space.network(choices, inputs=INFO).eval()
        found.load_state_dict(supernet.cut(choices))
        supernet.activate(choices)
        with torch.no_grad():
            for path, cut in zip(supernet(maps()), found(maps()), strict=True):
                assert cut.shape[1] == space.width(choices)
                assert path.shape[1] == space.channels
                assert not path[:, cut.shape[1] :].any()
                torch.testing.assert_close(path[:, : cut.shape[1]], cut, rtol=1e-5, atol=1e-5)
        seen.add(tuple(choices.values()))
    assert len(seen) > 1
    supernet.activate(None)
    assert supernet(maps())[0][:, -1].any()


def test_the_largest_is_the_plain_neck():
    space = NECKS["bifpn"]
    plain = space.plain(space.largest())
    names = list(plain.network({}, inputs=INFO).state_dict())
    assert [name.removeprefix("network.") for name in space.supernet(inputs=INFO).state_dict()] == names
    assert space.network(space.smallest(), inputs=INFO).feature_info.channels() == [16] * 5


def test_a_neck_reads_an_elastic_backbone_of_any_width():
    space = Product(
        {
            "backbone": Elastic("mobilenetv2_050", kernels=(), depths=(1,), widths=(50,)),
            "neck": ElasticNeck("bifpn", channels=16, widths=(50,), repeats=(1, 2), max_level=6),
        }
    )
    torch.manual_seed(0)
    supernet = space.supernet().eval()
    x = torch.rand(1, 3, 64, 64)
    for choices in (space.smallest(), space.largest(), space.sample(random.Random(0))):
        supernet.activate(choices)
        found = space.network(choices).eval()
        found.load_state_dict(supernet.cut(choices))
        with torch.no_grad():
            for path, cut in zip(supernet(x), found(x), strict=True):
                torch.testing.assert_close(path[:, : cut.shape[1]], cut, rtol=1e-5, atol=1e-5)
    rebuilt, again = from_architecture(space.architecture(space.smallest()))
    assert (rebuilt, again) == (space, space.smallest())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"kind": "unet"}, "kind"),
        ({"repeats": (1, 2)}, "repeats"),
        ({"kind": "bifpn", "repeats": ()}, "repeats"),
        ({"kind": "panet", "extra": "pool"}, "extra"),
        ({"kind": "nas_fpn", "max_level": 6}, "max_level"),
        ({"widths": (5,)}, "widths"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ArgumentError, match=named):
        ElasticNeck(**arguments)

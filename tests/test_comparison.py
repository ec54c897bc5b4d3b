"""What a found network is compared with."""

import random

from lightning_nas.comparison import hand_made
from lightning_nas.cost import count_parameters
from lightning_nas.networks import ResidualBackbone
from lightning_nas.spaces import Chain, Fpn, NasFpn, Product, published

BODY = Chain(stem_channels=8, first_channels=8, widths=(16, 24, 40, 64), depths=(2,) * 4, strides=(2,) * 4)


def architecture(space):
    return space.architecture(space.sample(random.Random(0)))


def test_a_searched_neck_stands_beside_plain_fpn_on_the_same_backbone():
    space = Product({"backbone": BODY, "neck": NasFpn(channels=16, repeats=1)})
    found = architecture(space)
    name, build = hand_made(found, 3)
    network = build()
    assert name == "plain FPN"
    assert network.feature_info.channels() == [16] * 5
    expected = BODY.network(found.components["backbone"].choices).state_dict()
    assert {key: value.shape for key, value in network.parts["backbone"].state_dict().items()} == {
        key: value.shape for key, value in expected.items()
    }


def test_a_searched_backbone_stands_beside_a_residual_one_of_its_size():
    found = architecture(Product({"backbone": BODY, "neck": Fpn(channels=16)}))
    name, build = hand_made(found, 3)
    network = build()
    size = count_parameters(BODY.network(found.components["backbone"].choices))
    assert name == "hand-made residual"
    assert isinstance(network.parts["backbone"], ResidualBackbone)
    assert abs(count_parameters(network.parts["backbone"]) - size) < 0.3 * size  # widths are whole numbers
    assert network.feature_info.reduction() == [8, 16, 32, 64, 128]
    assert isinstance(hand_made(architecture(BODY), 3)[1](), ResidualBackbone)


def test_an_encoder_whose_strides_were_searched_stands_beside_one_with_the_usual_strides():
    found = published("auto_deeplab")
    name, build = hand_made(found, 3, strides_given=False)
    network = build()
    assert name == "hand-made residual"
    assert network.feature_info.reduction() == [2, 4, 8, 16]
    assert abs(count_parameters(network) - 7_030_832) < 0.02 * 7_030_832

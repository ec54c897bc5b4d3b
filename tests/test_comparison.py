"""What a found network is compared with."""

import itertools
import random
from functools import partial

from torch import nn

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.evaluation.contenders import contestants, hand_made, nearest_draw
from lightning_nas.networks import ResidualBackbone
from lightning_nas.runs.settings import ComparisonSettings
from lightning_nas.search.costs import macs_of_choice
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


def test_beside_a_front_one_random_network_is_enough():
    hand = ["the one made by hand"]
    assert contestants(ComparisonSettings(), BODY) == ["found", "random 0", "random 1", "random 2", *hand]
    assert contestants(ComparisonSettings(), BODY, trained=True) == ["random 0", *hand]
    assert contestants(ComparisonSettings(random=2), BODY, trained=True) == ["random 0", "random 1", *hand]


class Sized:
    in_channels, image_size = 3, (64, 64)


def convolutions_of_7x7(network):
    return sum(isinstance(part, nn.Conv2d) and part.kernel_size == (7, 7) for part in network.modules())


class Uneven(nn.Module):
    """A task with a far larger head on backbones of an odd number of 7x7 convolutions."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(10, 10**6 if convolutions_of_7x7(backbone) % 2 else 1)

    def forward(self, images):
        self.backbone(images)
        return self.head(images.new_zeros(1, 10))


def test_random_networks_are_near_in_the_work_of_the_whole_network():
    def alone(choices):
        return count_macs(BODY.network(choices), (3, 64, 64))

    def odd(choices):
        return convolutions_of_7x7(BODY.network(choices)) % 2

    rng = random.Random(0)
    every = [BODY.sample(rng) for _ in range(6)]
    work = [alone(choices) for choices in every]

    def nearest(found, among):
        return min(among, key=lambda index: abs(work[index] - alone(found)))

    others = (BODY.sample(random.Random(seed)) for seed in itertools.count(1))
    found = next(other for other in others if odd(every[nearest(other, range(6))]) != odd(other))
    macs = partial(macs_of_choice, Uneven, Sized())
    drawn = nearest_draw(BODY, random.Random(0), 6, partial(BODY.network, found), macs)
    assert drawn == every[nearest(found, [index for index in range(6) if odd(every[index]) == odd(found)])]
    assert nearest_draw(BODY, random.Random(0), 1, partial(BODY.network, found), macs) == every[0]

"""Networks say which space they belong to; a space without a supernet is a fact."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from torch import nn

from lightning_nas.spaces import Chain, FeatureInfo, FeatureLevel, MetaQnn, Product, SearchSpace, Supernet
from lightning_nas.spaces.base import SPACES
from lightning_nas.spaces.found import FoundNetwork


@pytest.fixture
def coin():
    """A space of two architectures, whose networks the test defines."""

    @dataclass(frozen=True)
    class Coin(SearchSpace):
        name: ClassVar[str] = "coin"

        @property
        def decisions(self):
            return ("side",)

        def options(self, name, choices):
            return ["heads", "tails"]

    yield Coin
    del SPACES["coin"]


def network_for(space, base=FoundNetwork):
    class CoinNetwork(base, space=space):
        def __init__(self, space, choices):
            super().__init__()
            self.side = choices["side"]
            self.body = nn.Identity()
            self.feature_info = FeatureInfo([FeatureLevel(3, 1, "body")])

        def forward_auxiliary(self, x):
            return [self.body(x)], None

    return CoinNetwork


def test_a_space_finds_the_network_that_was_defined_for_it(coin):
    kind = network_for(coin)
    network = coin().network({"side": "tails"})
    assert type(network) is kind
    assert network.side == "tails"


def test_a_space_that_derives_from_another_has_its_networks(coin):
    kind = network_for(coin)

    @dataclass(frozen=True)
    class Token(coin):
        pass

    assert type(Token().network({"side": "tails"})) is kind


def test_choices_are_checked_before_the_network_is_built(coin):
    network_for(coin)
    with pytest.raises(ValueError, match=r"side = 'rim' is not allowed"):
        coin().network({"side": "rim"})


def test_a_space_without_a_network_says_how_to_define_one(coin):
    with pytest.raises(
        TypeError, match=r"space 'coin' has no network: define `class \.\.\.\(FoundNetwork, space=Coin\)`"
    ):
        coin().network({"side": "heads"})


def test_a_space_has_one_network(coin):
    network_for(coin)
    other = type("Other", (FoundNetwork,), {})
    with pytest.raises(ValueError, match=r"space Coin already has the network .*CoinNetwork, got .*Another"):
        type("Another", (other,), {}, space=coin)


def test_a_space_without_a_supernet_says_so_and_refuses(coin):
    assert not coin().has_supernet
    with pytest.raises(
        ValueError, match="'coin' has no supernet: search it with a strategy that trains every candidate"
    ):
        coin().supernet()
    with pytest.raises(ValueError, match="'coin' has no supernet"):
        coin().decode({})


def test_a_supernet_that_is_defined_makes_the_space_have_one(coin):
    class CoinSupernet(Supernet, space=coin):
        def __init__(self, space, generator):
            super().__init__({"side": (1, 2)}, generator)

        @staticmethod
        def decode(space, logits):
            return {"side": "heads"}

    assert coin().has_supernet
    assert type(coin().supernet()) is CoinSupernet
    assert coin().decode({}) == {"side": "heads"}


def test_a_space_may_build_its_supernet_itself():
    class Own(Chain):
        name: ClassVar[str] = "own_supernet"

        def supernet(self, **kwargs):
            raise AssertionError

    del SPACES["own_supernet"]
    assert Own().has_supernet


@pytest.mark.parametrize(("fixed", "has"), [({}, False), ({"backbone": {"layer.0": "softmax"}}, True)])
def test_a_product_has_a_supernet_if_its_searched_parts_have(fixed, has):
    assert Product({"backbone": MetaQnn()}, fixed).has_supernet is has

"""Product spaces: prefixes, fixed parts, records, joint supernets."""

import random

import pytest
import torch
from toy_neck_space import ToyNeck

from lightning_nas.architecture import Architecture, Component
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import Chain, Darts, NasBench201, Product, find_supernets, from_architecture
from lightning_nas.testing import SpaceContract

BACKBONE = Darts(channels=4, cells=3, ops=("none", "skip_connect", "sep_conv_3x3"))
NECK = ToyNeck()
BOTH = Product({"backbone": BACKBONE, "neck": NECK})
FIXED = BACKBONE.sample(random.Random(7))


class TestProductOfBackboneAndNeck(SpaceContract):
    @pytest.fixture
    def space(self):
        return BOTH


class TestProductWithFixedBackbone(SpaceContract):
    @pytest.fixture
    def space(self):
        return Product({"backbone": BACKBONE, "neck": NECK}, fixed={"backbone": FIXED})

    def test_record_rebuilds_the_architecture(self, space):
        """A record does not say what was searched: the rebuilt space searches all."""
        choices = space.sample(random.Random(0))
        record = space.architecture(choices)
        rebuilt, again = from_architecture(record)
        assert rebuilt == BOTH
        assert rebuilt.architecture(again) == record
        assert {f"backbone/{name}": option for name, option in FIXED.items()}.items() <= again.items()


class TestProductOfChainAndNeck(SpaceContract):
    @pytest.fixture
    def space(self):
        chain = Chain(stem_channels=4, first_channels=4, widths=(4, 6), depths=(2, 2), strides=(2, 2), min_depth=1)
        return Product({"backbone": chain, "neck": NECK})


def test_decisions_are_prefixed_and_ordered():
    assert BOTH.decisions == (*(f"backbone/{n}" for n in BACKBONE.decisions), "neck/level0", "neck/level1")
    assert BOTH.size() == BACKBONE.size() * 4
    assert Product(BOTH.parts, fixed={"neck": {"level0": "skip_connect", "level1": "skip_connect"}}).size() == (
        BACKBONE.size()
    )


def test_one_component_per_part():
    choices = BOTH.sample(random.Random(0))
    record = BOTH.architecture(choices, {"note": 1})
    assert list(record.components) == ["backbone", "neck"]
    assert record.components["neck"].space == "toy_neck"
    assert "width" in record.components["neck"].space_args
    assert record.provenance["note"] == 1


def test_logits_have_one_owner_and_groups_are_prefixed():
    supernet = BOTH.supernet()
    assert sorted(supernet.logits) == ["backbone/normal", "backbone/reduce", "neck/levels"]
    assert not [name for name in supernet.weights() if "logits" in name]
    assert [name for name in supernet.state_dict() if "logits" in name] == [f"logits.{g}" for g in supernet.logits]


def test_a_search_finds_the_joint_supernet_only():
    supernet, other = BOTH.supernet(), BACKBONE.supernet()
    assert find_supernets(torch.nn.Sequential(torch.nn.Identity(), supernet)) == [supernet]
    assert find_supernets(torch.nn.ModuleList([supernet, other])) == [supernet, other]
    assert find_supernets(torch.nn.Identity()) == []


def test_a_fixed_part_is_a_fixed_network():
    fixed = Product({"backbone": BACKBONE, "neck": NECK}, fixed={"backbone": FIXED})
    supernet = fixed.supernet()
    assert list(supernet.logits) == ["neck/levels"]
    expected = {name: p.shape for name, p in BACKBONE.network(FIXED).named_parameters()}
    assert {name: p.shape for name, p in supernet.parts["backbone"].named_parameters()} == expected


def test_the_auxiliary_map_is_the_backbones():
    network = BOTH.network(BOTH.sample(random.Random(0)))
    _, auxiliary = network.forward_auxiliary(torch.randn(2, 3, 16, 16))
    assert network.auxiliary_info == BACKBONE.network(FIXED).auxiliary_info.within("parts.backbone")
    assert auxiliary is not None


def test_a_single_part_rebuilds_to_the_space_itself():
    choices = BACKBONE.sample(random.Random(0))
    record = Product({"backbone": BACKBONE}).architecture({f"backbone/{n}": o for n, o in choices.items()})
    assert from_architecture(record) == (BACKBONE, choices)


def test_the_order_of_components_in_a_file_does_not_matter():
    record = BOTH.architecture(BOTH.sample(random.Random(0)))
    swapped = Architecture(dict(reversed(record.components.items())))
    assert from_architecture(swapped) == from_architecture(record)


@pytest.mark.parametrize(
    ("parts", "fixed", "named"),
    [
        ({}, {}, "at least one"),
        ({"neck": NECK, "backbone": BACKBONE}, {}, "order"),
        ({"backbone": BACKBONE, "backbone2": NasBench201()}, {}, "backbone"),
        ({"Back bone": BACKBONE}, {}, "Back bone"),
        ({"backbone": "darts"}, {}, "search space"),
        ({"backbone": BOTH}, {}, "product"),
        ({"backbone": BACKBONE}, {"neck": {}}, "neck"),
        ({"backbone": BACKBONE}, {"backbone": {}}, "missing"),
        (7, {}, "mappings"),
    ],
)
def test_bad_arguments_are_named(parts, fixed, named):
    with pytest.raises(ValueError, match=named):
        Product(parts, fixed)


@pytest.mark.parametrize(
    "components",
    [
        {"backbone": Component("no_such_space", {}, {})},
        {"backbone": Component("darts", {"no_such_argument": 1}, {})},
        {"backbone": Component("darts", {"channels": "many"}, {})},
        {"backbone": Component("darts", {}, {})},
        {"backbone": Component("product", {"parts": {"a": {"space": "darts"}}}, {})},
        {"backbone": Component("product", {}, {})},
        {"a": Component("darts", {}, {}), "b": Component("nasbench201", {}, {})},
        {"backbone": Component("nasbench201", {}, {}), "neck": Component("toy_neck", {}, {})},
    ],
)
def test_records_that_cannot_be_rebuilt(components):
    with pytest.raises(ArchitectureError):
        from_architecture(Architecture(components))

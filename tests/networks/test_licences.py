"""What a model says of the licence of its pretrained weights is what the library that publishes them says."""

from importlib.metadata import metadata

import pytest
import timm
from torchvision.models import MobileNet_V2_Weights

from lightning_nas.networks.licences import pretrained_record
from lightning_nas.spaces import Elastic
from lightning_nas.spaces.elastic.families import TIMM, TORCHVISION


@pytest.fixture(scope="module")
def network():
    space = Elastic("mobilenet_v2")
    return space.architecture(space.smallest())


def test_torchvision_states_none_for_its_seeds_and_warns_in_its_readme(network):
    known = pretrained_record(True, network)
    assert (known["source"], known["licence"]) == ("torchvision: mobilenet_v2", None)
    assert known["weights"] == str(MobileNet_V2_Weights.DEFAULT)
    assert "states no licence for these weights (its code is under BSD)" in known["terms"]
    readme = " ".join(metadata("torchvision").get_payload().split())
    assert "pre-trained models provided in this library may have their own licenses or terms" in readme
    assert all(pretrained_record(name, network)["licence"] is None for name in TORCHVISION)


def test_timm_names_a_licence_for_most(network):
    for name in TIMM:
        known, said = pretrained_record(name, network), timm.get_pretrained_cfg(name)
        assert known["licence"] == said.license
        assert known["weights"].startswith(name)
        assert (f"names {'this' if said.license else 'no'} licence") in known["terms"]
    assert pretrained_record("tf_efficientnet_lite0", network)["licence"] == "apache-2.0"


def test_of_a_file_nothing_is_known(network):
    known = pretrained_record("/home/me/weights.pth", network)
    assert (known["source"], known["weights"], known["licence"]) == ("weights.pth", None, None)
    assert pretrained_record(None, network) is None
    assert pretrained_record(False, network) is None

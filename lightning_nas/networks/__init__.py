"""Fixed networks: built from an architecture record, with weights, ready for any head."""

from lightning_nas.errors import WeightsError
from lightning_nas.networks.backbone import SelectedFeatures, build_network, find_architecture, load_backbone
from lightning_nas.networks.classifier import PooledClassifier
from lightning_nas.networks.cutting import cut_network
from lightning_nas.networks.hand_made import ResidualBackbone, residual_of_size
from lightning_nas.networks.inherit import Inherited, inherit_from_run, inherit_weights
from lightning_nas.networks.normalization import GroupNorm, accept_single_values, convert_norms
from lightning_nas.networks.torchvision import NamedLevels, NamedMaps, PyramidBackbone, as_named, as_pyramid, with_fpn
from lightning_nas.networks.transfer import load_backbone_weights
from lightning_nas.networks.weights import load_weights, read_state_dict

__all__ = [
    "GroupNorm",
    "Inherited",
    "NamedLevels",
    "NamedMaps",
    "PooledClassifier",
    "PyramidBackbone",
    "ResidualBackbone",
    "SelectedFeatures",
    "WeightsError",
    "accept_single_values",
    "as_named",
    "as_pyramid",
    "build_network",
    "convert_norms",
    "cut_network",
    "find_architecture",
    "inherit_from_run",
    "inherit_weights",
    "load_backbone",
    "load_backbone_weights",
    "load_weights",
    "read_state_dict",
    "residual_of_size",
    "with_fpn",
]

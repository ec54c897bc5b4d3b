"""Search spaces. A file in this folder that defines a ``SearchSpace`` with a ``name`` is found by itself."""

import importlib
import pkgutil

from lightning_nas.spaces.auto_deeplab import AutoDeepLab
from lightning_nas.spaces.base import SearchSpace, build_space, space_names
from lightning_nas.spaces.chain import Chain
from lightning_nas.spaces.darts import Darts
from lightning_nas.spaces.enas_macro import EnasMacro
from lightning_nas.spaces.enas_micro import EnasMicro
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.spaces.fixed_necks import BiFpn, Fpn, Panet
from lightning_nas.spaces.gas import Gas
from lightning_nas.spaces.genotypes import from_genotype, published, published_names, to_genotype
from lightning_nas.spaces.metaqnn import MetaQnn
from lightning_nas.spaces.multi_branch import MultiBranch
from lightning_nas.spaces.nas_fpn import NasFpn
from lightning_nas.spaces.nasbench201 import NasBench201
from lightning_nas.spaces.nasnet import AmoebaNet, NasNet
from lightning_nas.spaces.product import Product
from lightning_nas.spaces.rebuild import from_architecture
from lightning_nas.spaces.shufflenet import ShuffleNetV2, ShuffleNetV2Large
from lightning_nas.spaces.supernet import (
    OptionWeights,
    Paths,
    Relaxation,
    Supernet,
    find_supernets,
    softmax_relaxation,
    textbook_form,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "AmoebaNet",
    "AutoDeepLab",
    "Backbone",
    "BiFpn",
    "Chain",
    "Darts",
    "EnasMacro",
    "EnasMicro",
    "FeatureInfo",
    "FeatureLevel",
    "Fpn",
    "Gas",
    "MetaQnn",
    "MultiBranch",
    "NasBench201",
    "NasFpn",
    "NasNet",
    "OptionWeights",
    "Panet",
    "Paths",
    "Product",
    "Relaxation",
    "SearchSpace",
    "ShuffleNetV2",
    "ShuffleNetV2Large",
    "Supernet",
    "build_space",
    "find_supernets",
    "from_architecture",
    "from_genotype",
    "published",
    "published_names",
    "softmax_relaxation",
    "space_names",
    "textbook_form",
    "to_genotype",
]

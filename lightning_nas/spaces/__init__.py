"""Search spaces. A file in this folder, at any depth, that defines a ``SearchSpace`` with a ``name`` is found by itself."""

import importlib
import pkgutil

from lightning_nas.spaces.auto_deeplab.space import AutoDeepLab
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.chain.nasbench_macro import NasBenchMacro
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.darts.genotypes import from_genotype, to_genotype
from lightning_nas.spaces.darts.space import Darts
from lightning_nas.spaces.elastic.space import Elastic
from lightning_nas.spaces.enas_macro.space import EnasMacro
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.spaces.gas.space import Gas
from lightning_nas.spaces.heads.space import AtrousHead, TowerHead
from lightning_nas.spaces.image_size.space import ImageSize
from lightning_nas.spaces.metaqnn.space import MetaQnn
from lightning_nas.spaces.multi_branch.space import MultiBranch
from lightning_nas.spaces.nasbench201.space import NasBench201
from lightning_nas.spaces.nasnet.enas_micro import EnasMicro
from lightning_nas.spaces.nasnet.space import AmoebaNet, NasNet
from lightning_nas.spaces.necks.elastic.space import ElasticNeck
from lightning_nas.spaces.necks.fixed.space import BiFpn, Fpn, Panet
from lightning_nas.spaces.necks.nas_fpn.space import NasFpn
from lightning_nas.spaces.option_weights import OptionWeights, Paths, Relaxation, softmax_relaxation
from lightning_nas.spaces.product.space import Product
from lightning_nas.spaces.published import published, published_names
from lightning_nas.spaces.record import build_space, from_architecture, space_names
from lightning_nas.spaces.shufflenet.space import ShuffleNetV2, ShuffleNetV2Large
from lightning_nas.spaces.supernet import Supernet, find_supernets, textbook_form

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = [
    "AmoebaNet",
    "AtrousHead",
    "AutoDeepLab",
    "Backbone",
    "BiFpn",
    "Chain",
    "Darts",
    "Elastic",
    "ElasticNeck",
    "EnasMacro",
    "EnasMicro",
    "FeatureInfo",
    "FeatureLevel",
    "Fpn",
    "Gas",
    "ImageSize",
    "MetaQnn",
    "MultiBranch",
    "NasBench201",
    "NasBenchMacro",
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
    "TowerHead",
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

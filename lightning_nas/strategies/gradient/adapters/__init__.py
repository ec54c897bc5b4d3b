"""Adapters: they change the modules of a supernet before it is searched."""

from lightning_nas.strategies.gradient.adapters.auxiliary_skip import AuxiliarySkip
from lightning_nas.strategies.gradient.adapters.base import Adapter
from lightning_nas.strategies.gradient.adapters.partial_channels import EdgeWeights, PartialChannels

__all__ = ["Adapter", "AuxiliarySkip", "EdgeWeights", "PartialChannels"]

"""Contract tests: inherit a class, say what is to be tested, and pytest runs the family's promises on it."""

from lightning_nas.testing.op_contract import OpContract
from lightning_nas.testing.part_contract import PartContract
from lightning_nas.testing.sampler_contract import SamplerContract
from lightning_nas.testing.space_contract import SpaceContract

__all__ = ["OpContract", "PartContract", "SamplerContract", "SpaceContract"]

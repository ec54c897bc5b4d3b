"""What every search space promises."""

from __future__ import annotations

from lightning_nas.testing.space_decisions import DecisionContract
from lightning_nas.testing.space_networks import NetworkContract
from lightning_nas.testing.space_supernets import SupernetContract


class SpaceContract(DecisionContract, NetworkContract, SupernetContract):
    """Inherit, and give the space in a ``space`` fixture; keep it small, networks are built and run.

    Override :meth:`images` for a space that does not read images.
    """

"""Guards: they watch a search for collapse."""

from lightning_nas.strategies.gradient.guards.base import Curvature, Guard
from lightning_nas.strategies.gradient.guards.eigenvalue import Eigenvalue
from lightning_nas.strategies.gradient.guards.max_skips import MaxSkips
from lightning_nas.strategies.gradient.guards.oles import Oles
from lightning_nas.strategies.gradient.guards.watch import Watch

__all__ = ["Curvature", "Eigenvalue", "Guard", "MaxSkips", "Oles", "Watch"]

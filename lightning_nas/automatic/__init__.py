"""From a folder to a model: what the data are, how long things take here, and a plan that fits into the time."""

from lightning_nas.automatic.layout import Layout, LayoutError, recognised

__all__ = ["Layout", "LayoutError", "recognised"]

"""The architecture record and its files."""

from lightning_nas.architecture.io import write_atomic
from lightning_nas.architecture.schema import Architecture, ArchitectureError, Choices, Component, Option

__all__ = ["Architecture", "ArchitectureError", "Choices", "Component", "Option", "write_atomic"]

"""The architecture record and its files."""

from lightning_nas.architecture.errors import RefusedError
from lightning_nas.architecture.io import write_atomic
from lightning_nas.architecture.schema import Architecture, ArchitectureError, Choices, Component, Option
from lightning_nas.architecture.text_files import decode_text, parse_json

__all__ = [
    "Architecture",
    "ArchitectureError",
    "Choices",
    "Component",
    "Option",
    "RefusedError",
    "decode_text",
    "parse_json",
    "write_atomic",
]

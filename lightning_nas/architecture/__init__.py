"""The architecture record and its files."""

from lightning_nas.architecture.io import write_atomic
from lightning_nas.architecture.schema import Architecture, Choices, Component, Option
from lightning_nas.architecture.text_files import decode_text, parse_json

__all__ = [
    "Architecture",
    "Choices",
    "Component",
    "Option",
    "decode_text",
    "parse_json",
    "write_atomic",
]

"""Which data modules know the layout of a folder: those of the configs whose class says so."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from hydra.utils import get_class

from lightning_nas.automatic.layout import Recognise
from lightning_nas.commands.refusing import CONFIGS, options_of
from lightning_nas.commands.saved import read_config


def recognisers() -> dict[str, Recognise]:
    """Of every config of data whose class knows its layout."""
    place = Path(next(iter(import_module(CONFIGS).__path__)), "data")
    found: dict[str, Recognise] = {}
    for name in options_of("data"):
        target = read_config(place / f"{name}.yaml").get("_target_")
        recognise = None if target is None else getattr(get_class(target), "recognise", None)
        if recognise is not None and recognise not in found.values():
            found[name] = recognise
    return found

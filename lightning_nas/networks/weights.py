"""Weights from files: tensors only, never code, and nothing is left out silently."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

_SHOWN = 5
"""How many names of a kind an error lists."""


class WeightsError(ValueError):
    """A file that holds no weights, or weights that belong to another network."""


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Reads named tensors from a Lightning checkpoint, a saved state dict, or a ``.safetensors`` file.

    Nothing in the file is run: pickles are read by PyTorch's restricted loader (``weights_only=True``).

    Raises:
        FileNotFoundError: If there is no such file.
        WeightsError: If the file is damaged, holds objects other than tensors and plain values, or no tensors.
    """
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"no weights file at {source}")
    data: Any
    try:
        if source.suffix == ".safetensors":
            data = load_file(source)
        elif not zipfile.is_zipfile(source):  # the format before PyTorch 1.6 is a bare pickle, without checksums
            raise WeightsError(f"{source}: refused, because it is damaged or no file of torch.save")
        else:
            data = torch.load(source, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise WeightsError(f"{source}: not a safetensors file: {error}") from None
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{source}: refused, because it holds objects that only running its code would restore. "
            f"Save the state dict alone, or as safetensors. PyTorch says: {str(error).splitlines()[0]}"
        ) from None
    except RuntimeError as error:
        raise WeightsError(f"{source}: damaged, or no file of torch.save: {error}") from None
    state = data.get("state_dict", data) if isinstance(data, Mapping) else data
    if not isinstance(state, Mapping) or not any(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{source}: holds no named tensors, but {type(state).__name__}")
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def load_weights(network: nn.Module, path: str | os.PathLike[str], prefix: str | None = None) -> None:
    """Fills a network with the weights of a file, all of them or none.

    Args:
        network: What to fill, in place.
        path: See :func:`read_state_dict`.
        prefix: Where the network lies in the file, e.g. ``"backbone."``. If None, it is the prefix under which most
            of the network's names are found; ``"backbone."`` when several fit equally well.

    Raises:
        FileNotFoundError: If there is no such file.
        WeightsError: If the file is not readable, several parts of it fit, or names or shapes differ: the error lists
            what is missing, unexpected and mis-shaped.
    """
    state = read_state_dict(path)
    wanted = network.state_dict()
    chosen = _find_prefix(state, wanted, path) if prefix is None else prefix
    part = {name.removeprefix(chosen): value for name, value in state.items() if name.startswith(chosen)}
    misfit = {
        "missing": [name for name in wanted if name not in part],
        "unexpected": [name for name in part if name not in wanted],
        "mis-shaped": [
            f"{name} {tuple(part[name].shape)} instead of {tuple(value.shape)}"
            for name, value in wanted.items()
            if name in part and part[name].shape != value.shape
        ],
    }
    if any(misfit.values()):
        lines = [f"  {kind} ({len(names)}): {_listing(names)}" for kind, names in misfit.items() if names]
        where = f" under {chosen!r}" if chosen else ""
        raise WeightsError(f"{path}: the weights{where} belong to another network\n" + "\n".join(lines))
    network.load_state_dict(part)


def _find_prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: str | os.PathLike[str]) -> str:
    """The prefix under which most names of the network appear."""
    ends: dict[str, list[str]] = {}  # last two parts of a name -> names, so that few pairs are compared
    for name in state:
        ends.setdefault(_end(name), []).append(name)
    hits: dict[str, int] = {}
    for short in wanted:
        for name in ends.get(_end(short), []):
            head = name.removesuffix(short)
            if name.endswith(short) and (head == "" or head.endswith(".")):
                hits[head] = hits.get(head, 0) + 1
    if not hits:
        return ""
    most = max(hits.values())
    best = sorted(head for head, count in hits.items() if count == most)
    if "backbone." in best:
        return "backbone."
    if len(best) > 1 and most == len(wanted):
        raise WeightsError(f"{path}: several parts fit equally well, pass one of them as prefix: {best}")
    return best[0]  # the only one, or one of several that do not fit: the caller then lists what is wrong


def _end(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _listing(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

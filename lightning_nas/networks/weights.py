"""Weights from files: tensors only, never code, and nothing is left out silently."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lightning_nas.errors import MissingFileError, WeightsError
from lightning_nas.networks import tensors_only

_SHOWN = 5
"""How many names of a kind an error lists."""


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Reads named tensors from a Lightning checkpoint, a saved state dict, or a ``.safetensors`` file.

    Nothing in the file is run, and nothing but tensors is taken. PyTorch's restricted loader reads what it allows; files that
    hold other objects, e.g. among hyperparameters, are read by :mod:`lightning_nas.networks.tensors_only`, which leaves
    those out. Without an entry ``state_dict``, tensors in nested mappings get dotted names.

    Raises:
        FileNotFoundError: If there is no such file.
        WeightsError: If the file is damaged, is no file of ``torch.save``, or holds no named tensors.
    """
    source = Path(path)
    if not source.is_file():
        raise MissingFileError(f"no weights file at {source}")
    try:
        data = load_file(source) if source.suffix == ".safetensors" else _load_tensors(source)
        tensors = dict(_named_tensors(data))
    except SafetensorError as error:
        raise WeightsError(f"{source}: not a safetensors file: {error}") from None
    except Exception as error:  # what a damaged or hostile file raises is not limited to some classes
        raise WeightsError(f"{source}: damaged, or no file of torch.save: {type(error).__name__}: {error}") from None
    if not tensors:
        raise WeightsError(f"{source}: holds no named tensors; save the state_dict() of a module")
    return tensors


def _load_tensors(source: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old and new protocols, and of classes whose source has changed
        try:
            return torch.load(source, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            return torch.load(source, map_location="cpu", pickle_module=tensors_only, weights_only=False)


def _named_tensors(data: Any) -> Iterator[tuple[str, Tensor]]:
    state = data.get("state_dict", data) if isinstance(data, Mapping) else {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            yield str(name), value
        elif isinstance(value, Mapping) and state is data:
            yield from ((f"{name}.{inner}", tensor) for inner, tensor in _named_tensors(value))


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

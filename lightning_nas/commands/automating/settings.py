"""What a user asks ``auto`` for: a folder, a time, and whatever else is to be as they say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lightning_nas.errors import ConfigError

Number = TypeVar("Number", int, float)

USAGE = """usage: lightning-nas auto data=<folder> time=<hh:mm:ss, 1h, 20m> [key=value ...]

  data=<folder>      images with annotations in COCO's format, images and masks, Cityscapes, or one folder per class
  time=01:00:00      of everything: the search, what it is compared with, the training, the exported model
  latency_ms=15      limit of the whole network on this machine
  pretrained=true    start from pretrained weights, downloaded by torchvision or timm; or a weights file
  size=192           side of the images in pixels; found out if it is not given
  format=onnx,safetensors    files that are written in the end
  out=<folder>       where everything goes; runs/auto/<name of the data> if it is not given
  seed=0

Anything else is handed to the commands search and train, e.g. data.batch_size=8, task.lr=3e-4, search.epochs=20, epochs=50.
The same command goes on where it was interrupted."""

OWN = ("data", "time", "latency_ms", "pretrained", "size", "format", "out", "seed")

OF_SEARCH = ("space", "strategy", "search", "evaluate", "trials", "evaluator")
OF_TRAINING = ("epochs", "drop_path", "callbacks", "logger")


@dataclass(frozen=True)
class AutoSettings:
    """What was asked for.

    Args:
        data: Folder of the data.
        seconds: Time for everything.
        out: Folder of the run.
        latency_ms: Limit of the network; None for none.
        pretrained: ``"true"``, a name, or a weights file; None for what is at hand.
        size: Side of the images in pixels; None: found out.
        formats: Files that are written in the end.
        seed: Of everything random.
        overrides: Handed to the commands.
    """

    data: Path
    seconds: float
    out: Path
    latency_ms: float | None
    pretrained: str | None
    size: int | None
    formats: str
    seed: int
    overrides: tuple[str, ...]

    def overrides_of(self, command: str) -> list[str]:
        """Those that a command is handed: keys that only the other one has are left out.

        Args:
            command: ``"search"`` or ``"train"``.
        """
        others = OF_TRAINING if command == "search" else OF_SEARCH
        return [item for item in self.overrides if _key(item).partition(".")[0] not in others]

    @property
    def batch_size(self) -> int | None:
        """Images per batch, if the user has said how many."""
        values = [item.partition("=")[2] for item in self.overrides if _key(item) == "data.batch_size"]
        return int(values[-1]) if values and values[-1].isdigit() else None


def read_settings(arguments: Sequence[str]) -> AutoSettings:
    """Reads ``key=value ...``.

    Raises:
        ConfigError: If a key has no value, is there twice, or a value is out of range.
    """
    own: dict[str, str] = {}
    others = []
    for item in arguments:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(f"{item!r}: expected key=value, e.g. data=<folder> time=1h")
        if key not in OWN:
            others.append(item)
            continue
        if key in own:
            raise ConfigError(f"{key} is there twice: {own[key]!r} and {value!r}")
        own[key] = value
    for key in ("data", "time"):
        if not own.get(key):
            raise ConfigError(f"{key} is missing: lightning-nas auto data=<folder> time=<hh:mm:ss, 1h, 20m>")
    data = Path(own["data"]).expanduser()
    latency, size = own.get("latency_ms"), own.get("size")
    return AutoSettings(
        data=data,
        seconds=seconds_of(own["time"]),
        out=Path(own.get("out") or Path("runs", "auto", data.resolve().name)),
        latency_ms=None if latency is None else _number("latency_ms", latency, float),
        pretrained=own.get("pretrained"),
        size=None if size is None else _number("size", size, int),
        formats=own.get("format", "onnx,safetensors"),
        seed=_number("seed", own.get("seed", "0"), int, least=0),
        overrides=tuple(others),
    )


def seconds_of(text: str) -> float:
    """A time in seconds.

    Raises:
        ConfigError: If it is none.

    Example:
        >>> seconds_of("01:30:00"), seconds_of("1h"), seconds_of("20m"), seconds_of("1h30m"), seconds_of("90s")
        (5400.0, 3600.0, 1200.0, 5400.0, 90.0)
    """
    clock = re.fullmatch(r"(?:(\d+):)?(\d+):(\d\d):(\d\d)", text)
    words = re.fullmatch(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    found = clock or (words if text else None)
    if found is not None:
        seconds = sum(float(part or 0) * unit for part, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True))
        if seconds > 0:
            return seconds
    raise ConfigError(f"time = {text!r}: expected hh:mm:ss, or e.g. 1h, 20m, 1h30m")


def _number(key: str, text: str, kind: Callable[[str], Number], least: float = 1e-9) -> Number:
    try:
        value: Number | None = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value < float("inf"):
        raise ConfigError(f"{key} = {text!r}: expected a {'whole ' if kind is int else ''}number from {least:g} on")
    return value


def _key(item: str) -> str:
    return item.partition("=")[0].lstrip("+~")

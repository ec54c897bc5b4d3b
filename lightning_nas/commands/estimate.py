"""``estimate``: how long a command takes, and how much memory and disk, from a few steps of it."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_nas.commands.estimating.automatic import estimate_automatic
from lightning_nas.commands.estimating.commands import estimate_search, estimate_training
from lightning_nas.commands.estimating.composing import COMMANDS, composed_command
from lightning_nas.commands.estimating.table import described
from lightning_nas.estimation import Estimate

USAGE = """usage: lightning-nas estimate [search|train|auto] [key=value ...]

Put `estimate` before a command to see what it would take: hours, memory, disk. It is search if none is named.

  lightning-nas estimate strategy=random trials.count=50 trainer.precision=bf16-mixed
  lightning-nas estimate train architecture=darts_v2 epochs=600 data=cifar10 data.root=<folder>
  lightning-nas estimate auto data=<folder> time=1h

The settings are those of the command. A few steps of each of its parts are done, on one device, in a folder that is gone
afterwards; nothing else is written, and no logger is told."""


def run(arguments: Sequence[str], *, own_process: bool = True) -> Estimate:
    """Estimates a command and says what was found.

    Args:
        arguments: A command, ``search`` if there is none, and its overrides.
        own_process: Whether this process was started for it, so that starting the command takes as long.

    Raises:
        NasError: If the command would be refused.
    """
    command, overrides = split(arguments)
    if command == "auto":
        estimate, folder = estimate_automatic(overrides)
    else:
        composed = composed_command(command, overrides)
        make = estimate_search if command == "search" else estimate_training
        estimate, folder = make(composed, own_process=own_process), composed.folder
    print(" ".join(["estimate of lightning-nas", command, *overrides]), end="\n\n")
    print("\n".join(described(estimate, folder)), flush=True)
    return estimate


def split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """A command and its overrides.

    Example:
        >>> split(["train", "epochs=3"]), split(["seed=1"]), split([])
        (('train', ['epochs=3']), ('search', ['seed=1']), ('search', []))
    """
    if arguments and arguments[0] in COMMANDS:
        return arguments[0], list(arguments[1:])
    return "search", list(arguments)

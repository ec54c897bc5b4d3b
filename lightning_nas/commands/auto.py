"""``auto``: from a folder to a model within a given time: what the data are, a plan, a search, a training, files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightning_nas.automatic.at_hand import weights_at_hand
from lightning_nas.automatic.card import write_card
from lightning_nas.automatic.layout import recognised
from lightning_nas.automatic.plan import Plan, make_plan, training_epochs
from lightning_nas.commands.automating.clock import Clock, spent_before
from lightning_nas.commands.automating.overrides import SEED, Commands
from lightning_nas.commands.automating.recognising import recognisers
from lightning_nas.commands.automating.settings import AutoSettings, read_settings
from lightning_nas.commands.estimating.table import free_disk, size
from lightning_nas.commands.phases import in_words
from lightning_nas.errors import ConfigError
from lightning_nas.estimation.memory import free_memory, free_memory_of_accelerator
from lightning_nas.models import Model, load_model
from lightning_nas.runs.automatic import AutomaticFolder
from lightning_nas.runs.contents import Summary, checked, read_text

EXPORT_SECONDS = 30.0
"""Kept free for the end."""

MEMORY = 0.9
"""Share of the free memory that may be taken."""

FREE = ("seconds", "formats", "out")
"""What may differ when a run goes on."""

Command = Callable[[str, Sequence[str]], object]
"""Runs one of the other commands with such overrides."""


@dataclass(frozen=True)
class Automatic:
    """A finished run.

    Args:
        folder: Where everything is.
    """

    folder: AutomaticFolder

    @property
    def model(self) -> Model:
        """The network with all that belongs to it."""
        return load_model(self.folder.model)

    @property
    def card(self) -> str:
        """What the model is, for people."""
        return self.folder.card.read_text(encoding="utf-8")


def run(arguments: Sequence[str], command: Command) -> Automatic:
    """Finds out what the data are, plans, searches, trains, exports.

    Args:
        arguments: ``key=value ...``, see :data:`~lightning_nas.commands.automating.settings.USAGE`.
        command: Runs ``search``, ``train`` and ``export``.

    Raises:
        NasError: If the folder holds no data that are known, or the time is too short; nothing has been trained then.
    """
    settings = read_settings(arguments)
    folder = AutomaticFolder(settings.out)
    state = folder.read_state()
    asked = {**asdict(settings), "data": str(settings.data.resolve()), "out": str(settings.out)}
    asked["overrides"] = list(settings.overrides)
    _same(state.get("asked"), asked, folder)
    clock = Clock(settings.seconds, spent_before(state, folder))
    if state:
        commands = recognised_data(settings, folder, state["weights"])
        plan = Plan(**{**state["plan"], "seconds": tuple(state["plan"]["seconds"])})
        print(f"resumed:  {in_words(clock.spent)} of {in_words(settings.seconds)} are spent")
        print("\n".join(plan.described(settings.seconds)))
    else:
        commands = recognised_data(settings, folder, weights_of(settings))
        plan = planned(commands, clock.left)
        require_room(settings.out, plan.disk)
        state = {"asked": asked, "plan": asdict(plan), "weights": commands.weights}
    if not folder.search.summary.is_file():
        with clock.phase(state, folder):
            command("search", commands.search(plan, folder.search))
    if not folder.training.summary.is_file():
        with clock.phase(state, folder):
            if "training" not in state:
                left = clock.left - EXPORT_SECONDS
                epochs = partial(training_epochs, left)
                state["training"] = commands.training(plan, folder.search, folder.training, max(left, 10.0), epochs)
                folder.write_state({**folder.read_state(), "training": state["training"]})
            command("train", state["training"])
    with clock.phase(state, folder):
        images = commands.layout.images.get("test") or commands.layout.images["val"]
        test = test_seconds(folder, images) < clock.left
        command(
            "export",
            [
                f"run={folder.training}",
                f"format=[{settings.formats}]",
                f"out={folder.model}",
                f"test={str(test).lower()}",
            ],
        )
        write_card(folder, commands.layout)
    print(f"time:     {in_words(clock.spent)} of {in_words(settings.seconds)}")
    print(f"model:    {folder.model}; {folder.card} says what it is")
    print(f"reports:  {folder.search.report}, {folder.training.report}")
    return Automatic(folder)


def test_seconds(folder: AutomaticFolder, images: int) -> float:
    """About how long the exported file is tested, from the latency of the whole network; infinitely, if that is not known."""
    summary = checked(read_text(folder.training.summary), Summary, str(folder.training.summary))
    latency = ((summary["cost"].get("network") or {}).get("latency") or {}).get("median_ms")
    return float("inf") if latency is None else images * latency / 1000


def recognised_data(settings: AutoSettings, folder: AutomaticFolder, weights: str | None) -> Commands:
    """Finds out what the data are, and says so.

    Args:
        settings: What was asked for.
        folder: Keeps a split, where the data have none.
        weights: That training starts from.

    Raises:
        NasError: If the folder holds no data that are known.
    """
    layout = recognised(settings.data, folder.split.absolute(), recognisers())
    print("\n".join(layout.described()))
    return Commands(layout, settings, weights)


def planned(commands: Commands, seconds: float) -> Plan:
    """Measures this machine, divides the time, and says how.

    Args:
        commands: That are to be started.
        seconds: From now to the end.

    Raises:
        TimeError: If the time is too short.
    """
    settings = commands.settings
    commands.check_training()
    free = int(MEMORY * (free_memory_of_accelerator() or free_memory()))
    plan = make_plan(commands.layout, seconds, commands.pace, side=settings.size, batch=settings.batch_size, free=free)
    print("\n".join(plan.described(settings.seconds)))
    return plan


def require_room(folder: Path, wanted: int) -> None:
    """Checks that there is room on the disk.

    Args:
        folder: That is written into.
        wanted: Bytes.

    Raises:
        ConfigError: If there is not.
    """
    free = free_disk(folder)
    if wanted > free:
        raise ConfigError(
            f"out = {folder}: the run needs about {size(wanted)} of disk, and {size(free)} are free there; free some, or name "
            "another folder"
        )


def _same(before: dict[str, Any] | None, now: dict[str, Any], folder: AutomaticFolder) -> None:
    """Refuses to go on with another command."""
    if before is None:
        return
    listed = ", ".join(
        f"{key} ({before.get(key)}, now {now[key]})" for key in now if key not in FREE and before.get(key) != now[key]
    )
    if listed:
        raise ConfigError(
            f"out = {folder}: another command was run there, from which this one differs in {listed}; name another folder"
        )


def weights_of(settings: AutoSettings) -> str | None:
    """What training starts from, and a line where that is nothing."""
    weights = settings.pretrained or weights_at_hand(SEED)
    if weights is None:
        print(
            f"weights:  none of {SEED} are at hand, so training starts from random ones; pretrained=true downloads them, "
            "pretrained=<file> takes yours"
        )
    return weights

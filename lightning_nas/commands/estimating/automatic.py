"""The estimate of ``auto``, which keeps its time: how it would divide that, and what it would take of memory and disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning_nas.automatic.plan import OVERHEAD
from lightning_nas.commands.auto import planned, recognised_data, weights_of
from lightning_nas.commands.automating.settings import read_settings
from lightning_nas.estimation import Estimate, Part
from lightning_nas.estimation.memory import Memory, free_memory_of_accelerator
from lightning_nas.runs.automatic import AutomaticFolder


def estimate_automatic(arguments: Sequence[str]) -> tuple[Estimate, Path]:
    """Finds out what the data are, measures, and plans.

    Args:
        arguments: As of ``auto``.

    Returns:
        The estimate, and the folder that the command would write into.

    Raises:
        NasError: If the folder holds no data that are known, or the time is too short.
    """
    settings = read_settings(arguments)
    with TemporaryDirectory(prefix="estimate-") as place:
        commands = recognised_data(settings, AutomaticFolder(place), weights_of(settings))
        plan = planned(commands, settings.seconds)
    searching, comparing, training = plan.seconds
    others = plan.random + 3 * plan.hand_made
    parts = [
        Part("searching", 1, "", searching, detail=f"{plan.search_epochs} epochs, {plan.measured} networks measured"),
        Part("comparing", others, "networks", comparing, detail=f"{plan.search_epochs} epochs each"),
        Part("training the chosen one", 1, "", training, may_end_early=True, detail=f"{plan.train_epochs} epochs"),
        Part("data, exporting, reports", 1, "", OVERHEAD, kept=plan.disk, detail="as usual"),
    ]
    on_device = free_memory_of_accelerator() is not None
    memory = Memory(accelerator=plan.memory) if on_device else Memory(process=plan.memory)
    notes = [
        f"auto ends within its time = {settings.seconds:.0f} s: what is left over goes to the training of the chosen network"
    ]
    return Estimate(parts, memory, 1, notes), settings.out

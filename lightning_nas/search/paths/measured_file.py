"""The file of the networks of a supernet that were measured: none is lost when a search is interrupted."""

from __future__ import annotations

import json
from typing import Any

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import RunFolderError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import MeasuredNetwork, checked, read_text
from lightning_nas.search.headline import finite_or_none
from lightning_nas.search.paths.scoring import fitness_of
from lightning_nas.strategies.paths.front import FrontSearch, Measured


def replay(search: FrontSearch, run: RunFolder, identity: dict[str, Any]) -> None:
    """Tells a search what an earlier attempt has measured.

    Args:
        search: The search.
        run: Its ``candidates`` hold one line per network.
        identity: What the values depend on beside the weights, e.g. the metric: that of every line must be the same.

    Raises:
        RunFolderError: If a line is damaged or belongs to another search.
    """
    if not run.candidates.is_file():
        return
    for number, line in enumerate(read_text(run.candidates).splitlines(), start=1):
        where = f"{run.candidates}, line {number}"
        entry = checked(line, MeasuredNetwork, where)
        if entry["measured"] != identity:
            raise RunFolderError(
                f"{where}: measured with {entry['measured']}, but this search measures with {identity}"
            )
        try:
            search.tell(measured_of(entry))
        except ValueError as error:
            raise RunFolderError(f"{where}: not a network of this search: {error}") from error


def write(search: FrontSearch, run: RunFolder, identity: dict[str, Any]) -> None:
    """Writes all that was measured, in order."""
    lines = [
        json.dumps(
            {
                "choices": one.choices, "fitness": finite_or_none(one.value), "costs": one.costs, "round": one.round,
                "measured": identity,
            }
        )
        for one in search.history
    ]  # fmt: skip
    write_atomic(run.candidates, "".join(f"{line}\n" for line in lines))


def measured_of(entry: dict[str, Any]) -> Measured:
    """What a line says."""
    return Measured(entry["choices"], fitness_of(entry["fitness"]), dict(entry["costs"]), entry["round"])

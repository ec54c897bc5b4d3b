"""An estimate in words: a table, memory and disk beside what is free, what was assumed."""

from __future__ import annotations

import shutil
from pathlib import Path

from lightning_nas.commands.phases import in_words
from lightning_nas.estimation import Estimate, Part
from lightning_nas.estimation.memory import free_memory, free_memory_of_accelerator

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def described(estimate: Estimate, folder: Path) -> list[str]:
    """Lines for people.

    Args:
        estimate: Of a command.
        folder: That it would write into.
    """
    rows = [("part", "how often", "time", "how sure"), *(_row(part) for part in estimate.parts)]
    low, high = estimate.range
    rows.append(("total", "", in_words(estimate.seconds), f"{in_words(low)} to {in_words(high)}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    notes = [f"assumed:  {note}" for note in estimate.notes]
    return [*(line.rstrip() for line in lines), "", *memory_lines(estimate), disk_line(estimate, folder), *notes]


def _row(part: Part) -> tuple[str, str, str, str]:
    often = f"{part.count} {part.unit}" if part.unit else "once"
    low, high = part.range
    star = " *" if part.may_end_early else ""
    return part.title, often, in_words(part.seconds) + star, f"{in_words(low)} to {in_words(high)}; {part.detail}"


def memory_lines(estimate: Estimate) -> list[str]:
    """What is taken at most, and whether it fits."""
    memory = estimate.memory
    own, free = memory.process + memory.workers, free_memory()
    helpers = f", of which {size(memory.workers)} by processes that read images" if memory.workers else ""
    lines = [f"memory:   {size(own)}{helpers}; {size(free)} are free{_fits(own, free)}"]
    on_device = free_memory_of_accelerator()
    if memory.accelerator and on_device is not None:
        lines.append(
            f"GPU:      {size(memory.accelerator)} each; {size(on_device)} are free{_fits(memory.accelerator, on_device)}"
        )
    return lines


def disk_line(estimate: Estimate, folder: Path) -> str:
    """What is written, and whether it fits."""
    free = free_disk(folder)
    staying = f"{size(estimate.disk)}, of which {size(estimate.kept)} stay"
    return f"disk:     {staying}; {size(free)} are free{_fits(estimate.disk, free)}"


def free_disk(folder: Path) -> int:
    """Bytes that are free where a folder is, or would be made."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _fits(wanted: int, free: int) -> str:
    return "" if wanted <= free else ": does not fit"


def size(count: float) -> str:
    """Bytes with two or three digits.

    Example:
        >>> size(12), size(2048), size(153_000_000), size(5.4e12)
        ('12 B', '2.0 KiB', '146 MiB', '4.9 TiB')
    """
    place = 0
    while count >= 1000 and place < len(UNITS) - 1:
        count, place = count / 1024, place + 1
    return f"{count:.0f} {UNITS[place]}" if place == 0 or count >= 100 else f"{count:.1f} {UNITS[place]}"

"""What to do after a run, in a sentence and as a command: it follows from how the run has ended."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lightning_nas.errors import ConfigError, ReportError
from lightning_nas.report.exported import ExportedFile
from lightning_nas.report.reading import FinishedRun
from lightning_nas.report.tables import shows_no_gain
from lightning_nas.report.ways_out import ways_out
from lightning_nas.runs.contents import read_overrides
from lightning_nas.runs.plain_config import part, read_plain
from lightning_nas.search.doctor import Diagnosis

LATE = 0.1
"""The best epoch among this last share of all: the training still got better when it ended."""

FEWEST = 5
"""Epochs of a training of which it can be said when it was best."""

PLAIN = re.compile(r"[\w./:+-]+")
"""Paths that need no quotes in a setting."""


@dataclass(frozen=True)
class NextStep:
    """What to do next.

    Args:
        sentence: Why.
        command: What to type.
    """

    sentence: str
    command: str


def next_step(run: FinishedRun, diagnosis: Diagnosis, metric: str, mode: Literal["max", "min"]) -> NextStep:
    """What to do after a run.

    Args:
        run: A search or a training.
        diagnosis: Of the search.
        metric: That decides.
        mode: Whether larger (``"max"``) or smaller values of it are better.
    """
    if run.summary["strategy"] == "train":
        return _after_training(run, metric, mode)
    if run.folder.front_record.is_file():
        return _after_front(run, metric, mode)
    if diagnosis.word in ("collapsing", "drifting"):
        if diagnosis.epoch is not None:
            return NextStep(
                f"The search was good until epoch {diagnosis.epoch}, and then tended to operations that learn nothing. Train "
                "the architecture of that epoch:",
                ways_out(run, diagnosis)[0],
            )
        return NextStep(
            "The search tends to operations that learn nothing. Search again with what keeps it from that:",
            _again(run, *(diagnosis.again or run.remedies.guard).split()),
        )
    if diagnosis.word == "undecided" and run.history and run.history[-1].get("stopped") is not None:
        return NextStep(
            "The guard ended the search before it had chosen anything. Let its logits move faster:",
            _again(run, _more(run, "strategy", "lr", 3)),
        )
    if diagnosis.word == "undecided":
        return NextStep(
            "The search ended before it had chosen anything. Let it run twice as long:", _again(run, _twice(run))
        )
    if shows_no_gain(run.summary["comparison"], metric, mode):
        return NextStep(
            "Nothing shows yet that the found network is better than one drawn at random or made by hand. Search for twice "
            "as long, or take the best of those in the table above:",
            _again(run, _twice(run)),
        )
    return NextStep(
        "The found network was trained for a comparison only. Train it to the end:",
        f"{_train(run)} {_named('architecture', run.folder.architecture)}",
    )


def _after_front(run: FinishedRun, metric: str, mode: Literal["max", "min"]) -> NextStep:
    if run.exported is not None:
        return _use(run.exported)
    if shows_no_gain(run.summary["comparison"], metric, mode):
        return NextStep(
            "The networks of the front can be used, but nothing shows yet that they are better than others of their size. "
            "Train them together for twice as long:",
            _again(run, _twice(run)),
        )
    return NextStep(
        "The networks of the front are trained. Take the best one within a limit as a file; latency_ms=<limit>, "
        "macs=<limit> or params=<limit> says which:",
        f"lightning-nas export {_named('run', run.folder)}",
    )


def _after_training(run: FinishedRun, metric: str, mode: Literal["max", "min"]) -> NextStep:
    points = run.curves.get(f"val/{metric}", [])
    if len(points) >= FEWEST:
        best = (max if mode == "max" else min)(range(len(points)), key=lambda place: points[place][1])
        if best + 1 > (1 - LATE) * len(points) and points[best][1] != points[0][1]:
            return NextStep(
                f"On the validation images {metric} was best in epoch {best + 1} of {len(points)}: it still got better when "
                "the training ended. Train it longer, from where it is:",
                f"{_train(run)} {_named('model', run.folder)} epochs={2 * len(points)}",
            )
    if run.exported is None:
        return NextStep(
            "The network is trained. Write it as a file that runs without this library:",
            f"lightning-nas export {_named('run', run.folder)}",
        )
    return _use(run.exported)


def _use(exported: ExportedFile) -> NextStep:
    return NextStep(
        "The network is exported. See what it makes of images that it has never seen:",
        f"lightning-nas predict {_named('model', exported.folder)} images=<folder>",
    )


def _named(key: str, place: object) -> str:
    """A setting with a path, as a shell takes it and as the command reads it."""
    text = str(place)
    if not PLAIN.fullmatch(text):
        text = "'" + text.replace("'", "\\'") + "'"
    return shlex.quote(f"{key}={text}")


def _train(run: FinishedRun) -> str:
    given = [item for item in _overrides(run) if item.lstrip("+").startswith(("data.", "task."))]
    return " ".join(["lightning-nas train", *map(shlex.quote, [*_what(run), *given])])


def _again(run: FinishedRun, *changes: str) -> str:
    """The search once more, with other settings."""
    changed = {_key(item) for item in changes}
    kept = [
        item
        for item in _overrides(run)
        if _key(item) not in {*changed, "hydra.run.dir", "resume"}
        and not ("strategy" in changed and _key(item).startswith("strategy."))
    ]
    named = {_key(item) for item in kept}
    first = [item for item in _what(run) if _key(item) not in named]
    return " ".join(["lightning-nas search", *map(shlex.quote, [*first, *kept, *changes])])


def _what(run: FinishedRun) -> list[str]:
    return [f"task={run.summary['task']}", f"data={run.summary['data']}"]


def _key(setting: str) -> str:
    return setting.lstrip("+").partition("=")[0]


def _twice(run: FinishedRun) -> str:
    """The setting that makes a search twice as long."""
    return _more(run, *(("trials", "count") if run.trials else ("search", "epochs")), 2)


def _more(run: FinishedRun, group: str, name: str, times: int) -> str:
    """A setting with a number so many times as large."""
    value = None
    if run.folder.config.is_file():
        try:
            node = part(read_plain(run.folder.config), group, run.folder.config)
        except ConfigError as error:
            raise ReportError(str(error)) from None
        value = node.get(name) if isinstance(node, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{group}.{name}=<more>"
    return f"{group}.{name}={times * value if isinstance(value, int) else f'{times * value:g}'}"


def _overrides(run: FinishedRun) -> Sequence[str]:
    return read_overrides(run.folder.overrides, ReportError)

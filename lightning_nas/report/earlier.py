"""Runs of an earlier version, whose summary does not hold what task and data say of themselves.

That version knew by heart how tasks are built and what to show of some metrics. Runs write it down now
(:mod:`lightning_nas.search.presentation`); nothing is to be added here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_nas.search.presentation import MetricTable, Presentation

SAMPLES = "samples.jpg"
"""The file that a test wrote, where it wrote one."""

AP = MetricTable(
    "Average precision by size",
    {
        "map": "AP",
        "map_50": "AP50",
        "map_75": "AP75",
        "map_small": "small",
        "map_medium": "medium",
        "map_large": "large",
    },
    note="COCO's definitions: AP is the mean over the overlaps 0.5 to 0.95; small objects cover less than 32² pixels, large "
    "ones more than 96². A dash: there are no objects of that size.",
)

IOU_NOTE = (
    "Classes that neither occur in the test images nor were predicted have no value and do not count in the mean."
)

CAPTIONS = {
    "map": "White dashed boxes are true; coloured ones were predicted, with their score.",
    "miou": "From left to right: the image, the truth (black pixels do not count), the prediction over the image.",
}
"""Deciding metric -> what the picture shows."""


def presentation_of_earlier(summary: Mapping[str, Any]) -> Presentation:
    """What an earlier version would have shown of a run.

    Args:
        summary: Without a presentation.
    """
    known = {name for entry in (summary, *summary["comparison"]) for name in entry.get("metrics", {})}
    headline = next((name for name in ("accuracy", "map", "miou") if name in known), min(known, default=None))
    falls = headline is not None and any(word in headline for word in ("loss", "error"))
    by_class = {f"iou/{name.replace(' ', '_')}": name for name in _names(summary)}
    tables = {
        "map": [AP],
        "miou": [MetricTable("Intersection over union by class", by_class, IOU_NOTE, rows="metrics", corner="Class")],
    }
    return Presentation(
        headline,
        "min" if falls else "max",
        tuple(tables.get(headline or "", ())),
        {SAMPLES: CAPTIONS.get(headline or "", "")},
    )


def _names(summary: Mapping[str, Any]) -> list[str]:
    return [str(entry["name"]) for entry in summary.get("classes", ())]


def task_arguments_of_earlier(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier version built every task with.

    Args:
        summary: Without ``task_arguments``.
    """
    return {"num_classes": len(summary["classes"])}

"""A model card: what a model was trained on, how good it is and how sure that is, what it costs, what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_nas.architecture import write_atomic
from lightning_nas.automatic.layout import Layout
from lightning_nas.report.exported import ExportedFile, exported_file
from lightning_nas.report.reading import read_run
from lightning_nas.report.tables import comparison_sentence, count, decimal, interval_text
from lightning_nas.runs.automatic import AutomaticFolder

_CHOSEN_ON_TEST = [
    "It was tested on the images that chose its architecture and its best epoch, so the number is somewhat too good."
]


def write_card(folder: AutomaticFolder, layout: Layout) -> None:
    """Writes the card beside the finished model (after Mitchell et al. 2019, "Model Cards", arXiv 1810.03993).

    Args:
        folder: Holds the finished search and training.
        layout: Of the data.
    """
    search, training = read_run(folder.search.path), read_run(folder.training.path)
    metrics = training.summary["metrics"]
    tested = layout.images.get("test") or layout.images["val"]
    metric, mode = training.presentation.deciding(metrics)
    compared = search.summary["comparison"]
    worth = comparison_sentence(compared, metric, mode) if len(compared) > 1 else "It was compared with nothing."
    lines = [
        f"# A model for {layout.task}",
        "",
        f"Trained on {layout.images['train']:,} images ({layout.kind}), tested on {tested:,} others.",
        "",
        f"- **Classes**: {', '.join(layout.classes)}",
        f"- **{metric}**: {decimal(metrics[metric])}{_sure(training.summary)}",
        f"- **Cost of the whole network**: {_cost(training.summary['cost'])}",
        *_file(exported_file(folder.training)),
        f"- **Was the search worth it?** {worth}",
        f"- **Pretrained weights**: {_source(training.summary.get('pretrained'))}",
        "; ".join([f"- **Data**: {layout.sides[0]} x {layout.sides[1]} pixels in the median", *layout.notes]),
        "",
        "## Intended use",
        "",
        f"Images like those that it was trained on, with the same {len(layout.classes)} classes. The number above says nothing",
        "of images from other cameras, places or times; measure it there before relying on it.",
        *([] if "test" in layout.images else _CHOSEN_ON_TEST),
        "",
        "## Use",
        "",
        "```python",
        "import lightning_nas",
        f'model = lightning_nas.load_model("{folder.model}")',
        'print(model.predict("image.jpg"))',
        "```",
    ]
    folder.model.mkdir(parents=True, exist_ok=True)
    write_atomic(folder.card, "\n".join(lines) + "\n")


def _sure(summary: Mapping[str, Any]) -> str:
    interval = summary["comparison"][0].get("interval")
    return f"{interval_text(interval)}, the 95 % interval of a bootstrap over the images" if interval else ""


def _cost(cost: Mapping[str, Any]) -> str:
    numbers = cost["network"] or cost["backbone"]
    text = f"{count(numbers['parameters'])} parameters, {count(numbers['macs'])} multiply-adds"
    latency = numbers.get("latency")
    return text + (
        f", {latency['median_ms']:.1f} ms an image in PyTorch on the machine that trained it" if latency else ""
    )


def _file(file: ExportedFile | None) -> list[str]:
    """What was measured of the exported file itself."""
    if file is None:
        return []
    said = [] if file.metric is None else [f"{file.metric} {decimal(file.value)} on the same images"]
    if file.latency is not None:
        threads = file.latency["threads"]
        said.append(
            f"{file.latency['median_ms']:.1f} ms an image ({file.latency['runtime']}, {threads} thread{'s' * (threads > 1)})"
        )
    return [f"- **{file.file}**: {', '.join(said) or 'neither tested nor timed'}"]


def _source(pretrained: Mapping[str, Any] | None) -> str:
    if pretrained is None:
        return "none, so no licence of others holds for the model"
    licence = f", {pretrained['licence']}" if pretrained.get("licence") else ", licence not stated"
    return (
        f"{pretrained.get('weights') or pretrained['source']}{licence}. {pretrained.get('terms', '')} These terms, and those "
        "of the images that the weights were trained on, hold for the model as well."
    )

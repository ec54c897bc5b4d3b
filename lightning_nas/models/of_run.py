"""The record and the weights of a network that a run has trained: of a search, a training, or one of a front."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ConfigError
from lightning_nas.models.record import ModelRecord
from lightning_nas.report.costs import part_of
from lightning_nas.report.earlier import presentation_of_earlier, task_arguments_of_earlier
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Front, Summary, checked, read_text
from lightning_nas.runs.plain_config import built, part, read_plain
from lightning_nas.runs.trust import require_own_classes
from lightning_nas.search.presentation import Presentation


def record_of_run(folder: RunFolder, said: str) -> tuple[ModelRecord, Path]:
    """The network that a finished run has found or trained, and its weights.

    Args:
        folder: Of a search or a training, also one of an earlier version.
        said: How the user named it, for messages.

    Raises:
        ConfigError: If a file is missing or not what it should be.
    """
    for file in (folder.architecture, folder.summary, folder.config):
        if not file.is_file():
            raise ConfigError(f"{said}: there is no {folder.named(file)}, so it is no finished run")
    summary = checked(read_text(folder.summary, ConfigError), Summary, str(folder.summary), ConfigError)
    if "classes" not in summary:
        raise ConfigError(f"{folder.summary}: not a summary of a run that knows its classes: there are no 'classes'")
    node = task_node(folder, evaluated=not folder.front_record.is_file())
    weights = folder.trained_weights
    if weights is None:
        missing = folder.found.last_checkpoint if folder.is_search else folder.last_checkpoint
        raise ConfigError(f"{said}: there is no {folder.named(missing)}, the trained network")
    architecture = Architecture.load(folder.architecture)
    with _reading(folder.summary):
        known = summary.get("presentation")
        presentation = presentation_of_earlier(summary) if known is None else Presentation.from_dict(known)
        metrics = summary["metrics"]
        metric = None
        if metrics:
            name, mode = presentation.deciding(metrics)
            metric = {"name": name, "value": metrics.get(name), "mode": mode, "on": "test images"}
        return _record(folder, node, architecture, summary, metric, _cost(summary["cost"])), weights


def record_of_front(network: RunFolder, said: str) -> tuple[ModelRecord, Path]:
    """A network of the front of a search, and its weights.

    Args:
        network: Its folder.
        said: How the user named it, for messages.

    Raises:
        ConfigError: If its search has not finished, or a file is not what it should be.
    """
    run = RunFolder(network.path.resolve().parent.parent)
    for file in (run.front_record, run.summary, run.config):
        if not file.is_file():
            raise ConfigError(f"{said}: it lies in no finished search: there is no {file}")
    front = checked(read_text(run.front_record, ConfigError), Front, str(run.front_record), ConfigError)
    entries = [one for one in front["networks"] if str(one["number"]) == network.path.resolve().name]
    if not entries:
        raise ConfigError(f"{said}: {run.front_record} knows no network of that number")
    summary = checked(read_text(run.summary, ConfigError), Summary, str(run.summary), ConfigError)
    node, architecture = task_node(run, evaluated=False), Architecture.load(network.architecture)
    with _reading(run.summary):
        falls, name = front["metric"].startswith("-"), front["metric"].removeprefix("-").removeprefix("val/")
        value = -entries[0]["metric"] if falls else entries[0]["metric"]
        metric = {"name": name, "value": value, "mode": "min" if falls else "max", "on": "validation images"}
        cost = {name: entries[0][name] for name in ("params", "macs")}
        return _record(run, node, architecture, summary, metric, cost), network.weights


def task_node(folder: RunFolder, *, evaluated: bool) -> dict[str, Any]:
    """What the config of a run says of its task, as plain values.

    Args:
        folder: Of the run.
        evaluated: Whether it is that of the comparison after a search, which may differ in some arguments.

    Raises:
        ConfigError: If there is none.
    """
    if not folder.config.is_file():
        raise ConfigError(
            f"{folder}: there is no {folder.named(folder.config)}: pass make_task, backbone -> the module that was searched"
        )
    config = read_plain(folder.config)
    node = part(config, "task", folder.config)
    if not isinstance(node, dict) or "_target_" not in node:
        raise ConfigError(f"{folder.config}: not a config of a run: there is no task")
    own = part(config, "evaluate", folder.config) if evaluated else None
    changed = own.get("task") if isinstance(own, dict) else None
    return {**node, **(changed if isinstance(changed, dict) else {})}


def make_of(node: Mapping[str, Any], allow: Collection[str]) -> Any:
    """What a task is built with: called with its backbone and what its data say.

    Args:
        node: Of a config.
        allow: Dotted names of classes outside this package that it may name.

    Raises:
        ConfigError: If it names another one.
    """
    require_own_classes(node, "task", allow)
    return built({**node, "_partial_": True}, "task", allow)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a damaged summary leads to."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a summary of a run: {type(error).__name__}: {error}") from None


def _record(
    run: RunFolder,
    node: Mapping[str, Any],
    architecture: Architecture,
    summary: Mapping[str, Any],
    metric: Mapping[str, Any] | None,
    cost: Mapping[str, Any],
) -> ModelRecord:
    arguments = {name: value for name, value in node.items() if not name.startswith("_")}
    said = summary.get("task_arguments", task_arguments_of_earlier(summary))
    size = summary["cost"].get("input_size")
    return ModelRecord(
        {"name": summary["task"], "target": node["_target_"], "arguments": {**arguments, **said}},
        architecture,
        summary.get("classes", []),
        summary.get("preparation", {}),
        None if size is None else tuple(size),
        metric,
        {"name": summary["data"], "generated": summary.get("generated", False), "task_arguments": sorted(said)},
        cost,
        summary["pretrained"]
        if "pretrained" in summary
        else _pretrained_of_earlier(read_plain(run.config), architecture),
        summary.get("versions", {}),
    )


def _cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    whole = part_of(cost, "network")
    return {} if whole is None else {"params": whole["parameters"], "macs": whole["macs"]}


def _pretrained_of_earlier(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Any] | None:
    """What the weights started from, of a run whose summary does not say: as far as the config does."""
    named = config.get("pretrained")
    if not named:
        return None
    if named is True:
        seeds = [one.space_args["seed"] for one in architecture.components.values() if "seed" in one.space_args]
        named = seeds[0] if seeds else "the seed of the space"
    return {"source": str(named), "licence": None}

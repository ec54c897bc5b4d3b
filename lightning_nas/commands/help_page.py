"""``lightning-nas <command> --help``: examples, groups, and the config files with their comments."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from lightning_nas.commands.refusing import CONFIGS, options_of

EXAMPLES = {
    "search": (
        "lightning-nas search strategy=gdas_small seed=1",
        "lightning-nas search task=detection data=coco data.root=<folder> trainer=ddp trainer.devices=8",
        "lightning-nas search -m strategy=darts_small,gdas_small seed=0,1",
    ),
    "train": (
        "lightning-nas train architecture=<run> inherit=<run>",
        "lightning-nas train architecture=darts_v2 data=imagefolder data.root=<folder>",
        "lightning-nas train task=detection architecture=<run> epochs=100",
    ),
    "report": (
        "lightning-nas report run=<run>",
        "lightning-nas report run=runs/search/2026-01-31_12-00-00",
        "lightning-nas report --cfg job run=<run>",
    ),
    "predict": (
        "lightning-nas predict run=<run> images=<folder>",
        "lightning-nas predict run=<run> images=<folder> out=<folder> skip_invalid=true",
        "lightning-nas predict run=<run> images=<folder> batch_size=16 device=cuda",
    ),
    "export": (
        "lightning-nas export run=<run> latency_ms=12",
        "lightning-nas export run=<run> macs=1e8 params=2e6 out=<folder>",
        "lightning-nas export run=<run> latency_ms=5 threads=4",
    ),
    "benchmark": (
        "lightning-nas benchmark what=supernet",
        "lightning-nas benchmark what=zero_cost table=<csv> images=<cifar>",
        "lightning-nas benchmark -m what=nasbench201 table=<csv> strategy=random,evolution_small seeds=100",
    ),
    "ui": (
        "lightning-nas ui run=runs",
        "lightning-nas ui run=runs/search",
        "lightning-nas ui run=<folder> port=8080",
    ),
    "docs": (
        "lightning-nas docs open=true out=<folder>",
        "lightning-nas docs open=true",
        "lightning-nas docs out=<folder>",
    ),
}
"""Three of every command."""

_GLOBAL = "# @package _global_"


def help_page(command: str, overrides: Sequence[str]) -> str:
    """The page of a command; of every group it shows the option that the overrides choose.

    Args:
        command: The command.
        overrides: Choices such as ``task=detection``.
    """
    GlobalHydra.instance().clear()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        config = compose(command, list(overrides), return_hydra_config=True)
    choices = {str(key): value for key, value in config.hydra.runtime.choices.items()}
    folder = Path(next(iter(import_module(CONFIGS).__path__)))
    lines = [f"usage: lightning-nas {command} [key=value ...]", "", "examples:"]
    lines += [f"  {example}" for example in EXAMPLES[command]]
    groups = {key.partition("@")[0]: None for key in choices if not key.startswith("hydra/")}
    options = {group: options_of(group) for group in groups}
    if any(options.values()):
        lines += ["", "groups, each with its options (group=option):"]
        lines += [f"  {group}: {', '.join(names)}" for group, names in options.items() if names]
    lines += ["", f"keys of {command} (key=value):", *_shown(folder / f"{command}.yaml")]
    for key, option in choices.items():
        group, _, place = key.partition("@")
        file = folder / group / f"{option}.yaml"
        if option is not None and not group.startswith("hydra/") and file.is_file():
            below = "" if file.read_text(encoding="utf-8").startswith(_GLOBAL) else f"{place or group}."
            lines += ["", f"keys of {group}={option} ({below}<key>=value):", *_shown(file)]
    lines += ["", "-m runs one job for each combination of values with commas; --hydra-help lists the other flags"]
    return "\n".join(lines)


def _shown(file: Path) -> list[str]:
    """The lines of a config file that are of use to a user, comments and all."""
    shown, kept = [], True
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith((" ", "-", "#")):
            kept = not line.startswith(("defaults:", "hydra:", "_target_:"))
        if kept:
            shown.append(f"  {line}".rstrip())
    return shown

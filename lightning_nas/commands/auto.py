"""``auto``: from a folder to a model within a given time: what the data are, a plan, a search, a training, files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_class

from lightning_nas.architecture import Architecture
from lightning_nas.auto.at_hand import weights_at_hand
from lightning_nas.auto.card import write_card
from lightning_nas.auto.layout import Layout, Recognise, recognised
from lightning_nas.auto.pace import Pace, measure
from lightning_nas.auto.plan import Plan, make_plan, training_epochs
from lightning_nas.commands.auto_settings import AutoSettings, read_settings
from lightning_nas.commands.components import make_data, make_space, task_maker
from lightning_nas.commands.job import make_trainers
from lightning_nas.commands.network import named_seed
from lightning_nas.commands.phases import in_words
from lightning_nas.commands.refusing import CONFIGS, options_of
from lightning_nas.commands.saved import read_config
from lightning_nas.errors import ConfigError
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.remapping import remap
from lightning_nas.runs.automatic import AutomaticFolder

SEED = "mobilenet_v2"
"""The network whose smaller versions are searched."""

CALLBACKS: list[str] = []

Command = Callable[[str, Sequence[str]], object]
"""Runs one of the other commands with such overrides."""


def run(arguments: Sequence[str], command: Command) -> Path:
    """Finds out what the data are, plans, searches, trains, exports.

    Args:
        arguments: ``key=value ...``, see :data:`~lightning_nas.commands.auto_settings.USAGE`.
        command: Runs ``search``, ``train`` and ``export``.

    Returns:
        Folder of the finished model.

    Raises:
        NasError: If the folder holds no data that are known, or the time is too short; nothing has been trained then.
    """
    settings = read_settings(arguments)
    folder = AutomaticFolder(settings.out)
    state = folder.read_state()
    asked = {**asdict(settings), "data": str(settings.data.resolve()), "out": str(settings.out)}
    asked["overrides"] = list(settings.overrides)
    _same(state.get("asked"), asked, folder)
    spent = _spent(state, folder)
    clock = _Clock(settings.seconds, spent)
    layout = recognised(settings.data, folder.split.absolute(), recognisers())
    print("\n".join(layout.described()))
    if "plan" in state:
        plan = Plan(**{**state["plan"], "seconds": tuple(state["plan"]["seconds"])})
        print(f"resumed:  {in_words(spent)} of {in_words(settings.seconds)} are spent")
    else:
        base = _base(layout, settings)
        plan = make_plan(
            layout, clock.left, lambda side, batch: _pace(layout, settings, base, side, batch), side=settings.size,
            batch=_given_batch(settings),
        )  # fmt: skip
        state = {"asked": asked, "plan": asdict(plan), "base": base, "spent": clock.spent}
        folder.write_state(state)
    base = state["base"]
    print("\n".join(_said(plan, settings)))
    with clock.phase(state, folder):
        if not folder.search.summary.is_file():
            command("search", _search(layout, settings, base, plan, folder, clock))
    with clock.phase(state, folder):
        if not folder.training.summary.is_file():
            command("train", _training(layout, settings, base, plan, folder, clock, state))
    with clock.phase(state, folder):
        command("export", [f"run={folder.training}", f"format=[{settings.formats}]", f"out={folder.model}"])
        write_card(folder, layout, settings.pretrained or _weights(base))
    print(f"time:     {in_words(clock.spent)} of {in_words(settings.seconds)}")
    print(f"model:    {folder.model}; {folder.card} says what it is")
    print(f"reports:  {folder.search.report}, {folder.training.report}")
    return folder.model


class _Clock:
    """Time that is spent, that of earlier attempts counted."""

    def __init__(self, seconds: float, spent: float) -> None:
        self._seconds, self._began = seconds, time.monotonic() - spent

    @property
    def spent(self) -> float:
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        return max(self._seconds - self.spent, 1.0)

    @contextmanager
    def phase(self, state: dict[str, Any], folder: AutomaticFolder) -> Iterator[None]:
        """Keeps how much is spent, before and after."""
        folder.write_state({**state, "spent": self.spent, "since": time.time()})
        yield
        folder.write_state({**state, "spent": self.spent})


def _spent(state: dict[str, Any], folder: AutomaticFolder) -> float:
    """Seconds of earlier attempts; of a phase that was interrupted until it wrote something last."""
    since, sign = state.get("since"), folder.last_sign()
    return float(state.get("spent", 0.0)) + (max(sign - since, 0.0) if since is not None and sign is not None else 0.0)


def _same(before: dict[str, Any] | None, now: dict[str, Any], folder: AutomaticFolder) -> None:
    free = ("seconds", "formats", "out")
    changed = [key for key in now if before is not None and key not in free and before.get(key) != now[key]]
    if before is not None and changed:
        listed = ", ".join(f"{key} ({before.get(key)}, now {now[key]})" for key in changed)
        raise ConfigError(
            f"out = {folder}: another command was run there, from which this one differs in {listed}; name another folder"
        )


def recognisers() -> dict[str, Recognise]:
    """Of every config of data whose class knows its layout."""
    place = Path(next(iter(import_module(CONFIGS).__path__)), "data")
    found: dict[str, Recognise] = {}
    for name in options_of("data"):
        target = read_config(place / f"{name}.yaml").get("_target_")
        recognise = None if target is None else getattr(get_class(target), "recognise", None)
        if recognise is not None and recognise not in found.values():
            found[name] = recognise
    return found


def _base(layout: Layout, settings: AutoSettings) -> list[str]:
    """What search and training share, but for the size of images and batches."""
    weights = settings.pretrained or weights_at_hand(SEED)
    if weights is None:
        print(
            f"weights:  none of {SEED} are at hand, so training starts from random ones; pretrained=true downloads them, "
            "pretrained=<file> takes yours"
        )
    return [
        f"task={layout.task}",
        f"data={layout.data}",
        *layout.settings,
        *([f"pretrained={weights}"] if weights else []),
    ]


def _weights(base: Sequence[str]) -> str | None:
    return next((item.partition("=")[2] for item in base if item.startswith("pretrained=")), None)


def _given_batch(settings: AutoSettings) -> int | None:
    values = [item.partition("=")[2] for item in settings.overrides if item.startswith("data.batch_size=")]
    return int(values[-1]) if values and values[-1].isdigit() else None


def _common(layout: Layout, settings: AutoSettings, base: Sequence[str], side: int, batch: int) -> list[str]:
    return [*base, *layout.sized(side), f"data.batch_size={batch}", f"seed={settings.seed}"]


def _space(settings: AutoSettings) -> list[str]:
    return ["recipe=default/small", "space=elastic", f"space.seed={SEED}", "strategy=elastic"]


def _pace(layout: Layout, settings: AutoSettings, base: Sequence[str], side: int, batch: int) -> Pace:
    """How fast the largest network of the space trains here."""
    overrides = [*_space(settings), *_common(layout, settings, base, side, batch), *settings.overrides_of("search")]
    config = _composed("search", overrides)
    datamodule = make_data(config)
    space = make_space(config.space, datamodule.in_channels)
    network = space.network(space.largest())
    seed = named_seed(config, space)
    if seed is not None:
        remap(seed, network)
    task = task_maker(config.task, datamodule)(network)
    pace = measure(make_trainers(config), task, datamodule)
    print(
        f"measured: at {side} pixels and {batch} images a batch {1000 * pace.train_step:.0f} ms a step, "
        f"{in_words(pace.epoch)} an epoch, {pace.memory / 2**30:.1f} GiB"
    )
    return pace


def _composed(command: str, overrides: Sequence[str]) -> Any:
    GlobalHydra.instance().clear()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        return compose(command, list(overrides))


def _said(plan: Plan, settings: AutoSettings) -> list[str]:
    search, comparison, training = plan.seconds
    others = plan.random + 3 * plan.hand_made
    return [
        f"plan:     images of {plan.side} pixels, {plan.batch_size} a batch; of {in_words(settings.seconds)}",
        f"          {in_words(search)}: {plan.search_epochs} epochs of all networks at once, {plan.measured} of them measured",
        f"          {in_words(comparison)}: {others} others, {plan.search_epochs} epochs each, to see what the search is worth"
        if others
        else "          no comparison: the time is too short for it",
        f"          {in_words(training)}: about {plan.train_epochs} epochs of the chosen one",
    ]


def _search(
    layout: Layout, settings: AutoSettings, base: Sequence[str], plan: Plan, folder: AutomaticFolder, clock: _Clock
) -> list[str]:
    limit = settings.latency_ms
    initial = max(plan.measured * 2 // 3, 2)
    return [
        *_space(settings),
        *_common(layout, settings, base, plan.side, plan.batch_size),
        *([] if limit is None else ["strategy.cost=latency_ms", f"strategy.max_latency_ms={limit:g}"]),
        "strategy.exhaustive=0", f"strategy.initial={initial}", "strategy.rounds=1",
        f"strategy.per_round={max(plan.measured - initial, 1)}", "strategy.front_size=5",
        f"search.epochs={plan.search_epochs}", f"evaluate.random={plan.random}",
        f"evaluate.hand_made={str(plan.hand_made).lower()}", f"max_time={_clock_time(1.3 * plan.seconds[0] + 30)}",
        *settings.overrides_of("search"), f"hydra.run.dir={folder.search}",
    ]  # fmt: skip


def _training(
    layout: Layout,
    settings: AutoSettings,
    base: Sequence[str],
    plan: Plan,
    folder: AutomaticFolder,
    clock: _Clock,
    state: dict[str, Any],
) -> list[str]:
    """Epochs follow from the time that is left now, and from how fast the chosen network trains."""
    number = folder.search.chosen_of_front()
    common = _common(
        layout, settings, [item for item in base if not item.startswith("pretrained=")], plan.side, plan.batch_size
    )
    shared = [
        "recipe=default/small_train", *common, f"architecture={folder.search}/front/{number}", *CALLBACKS,
    ]  # fmt: skip
    if "train_epochs" not in state:
        config = _composed("train", [*shared, *settings.overrides_of("train")])
        datamodule = make_data(config)
        network = build_network(Architecture.load(folder.search.front_network(number).architecture))
        pace = measure(make_trainers(config), task_maker(config.task, datamodule)(network), datamodule)
        state["train_epochs"] = training_epochs(clock.left, pace)
    limit = max(clock.left - 30, 10)
    return [
        *shared, f"epochs={state['train_epochs']}", f"max_time={_clock_time(limit)}", *settings.overrides_of("train"),
        f"hydra.run.dir={folder.training}",
    ]  # fmt: skip


def _clock_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 86400:02d}:{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"

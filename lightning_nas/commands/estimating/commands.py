"""The estimates of the commands ``search`` and ``train``."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from lightning_nas.commands import search, train
from lightning_nas.commands.estimating.composing import Composed
from lightning_nas.commands.job import check_components, make_job, make_trainers
from lightning_nas.commands.network import named_architecture
from lightning_nas.commands.quiet import LOGGERS
from lightning_nas.commands.start import read_start
from lightning_nas.estimation import Estimate, Part, short
from lightning_nas.estimation.measuring import measured
from lightning_nas.estimation.memory import Memory
from lightning_nas.estimation.short import Recorder, shortened
from lightning_nas.evaluation.contender import Contest
from lightning_nas.evaluation.workload import comparison_work
from lightning_nas.search.lightning.progress import unwatched
from lightning_nas.search.workloads import Representatives, Work, workload

REPORT_SECONDS = 3.0
"""That summary and report take."""

REPORT_BYTES = 4_000_000
"""Of the page with its pictures, and what else belongs to a run as such, at most."""


def estimate_search(command: Composed, *, own_process: bool) -> Estimate:
    """Of a search with its comparison.

    Args:
        command: The search.
        own_process: Whether this process was started for it, so that starting it takes as long.

    Raises:
        ConfigError: If a key, a type or a value of the config is wrong, or its parts do not fit.
    """
    began, config = _began(own_process), _without_loggers(command.config)
    with _measuring(config, search.COMPONENTS) as (place, say):
        named = search.named_search(config)
        job = make_job(config, place, named.space, named.datamodule, unwatched)
        trainers, recorder = shortened(job.trainers, command.limits)
        job = replace(job, trainers=trainers, continues=None)
        _prepare(named.datamodule)
        starting = short.clock() - began
        networks = Representatives(job)
        works = workload(named.strategy, job, networks)
        if not config.trials.worker:
            works += comparison_work(job, named.settings, networks, kept=named.kept)
        warmup = job.supernet.warmup_epochs
        parts = measured(works, recorder, place, devices=command.devices, warmup=warmup, begin=say)
    return _estimate(command, starting, parts, recorder)


def estimate_training(command: Composed, *, own_process: bool) -> Estimate:
    """Of a training with its test.

    Args:
        command: The training.
        own_process: Whether this process was started for it, so that starting it takes as long.

    Raises:
        ConfigError: If there is no architecture, or a key or value is wrong.
    """
    began, config = _began(own_process), _without_loggers(command.config)
    with _measuring(config, train.COMPONENTS) as (place, say):
        start = None if config.model is None else read_start(config)
        architecture = named_architecture(config) if start is None else start.record.architecture
        named = train.named_training(config, start, architecture)
        trainers, recorder = shortened(make_trainers(config, place), command.limits)
        _prepare(named.datamodule)
        starting = short.clock() - began
        contest = Contest(
            place,
            make_task=lambda backbone: named.task,
            make_trainer=lambda folder: train.make_trainer(config, folder, trainers),
            datamodule=named.datamodule,
            seed=config.seed,
        )
        once = Work("training and testing", 1, lambda number: contest.run("found", "found", lambda: named.backbone))
        parts = measured([once], recorder, place, devices=command.devices, begin=say)
    return _estimate(command, starting, parts, recorder)


def _estimate(command: Composed, starting: float, parts: list[Part], recorder: Recorder) -> Estimate:
    first = Part("starting, checking the data", 1, "", starting, detail="done once")
    last = Part("summary and report", 1, "", REPORT_SECONDS, 0.5, REPORT_BYTES, detail="as usual")
    devices = command.devices
    memory = recorder.memory
    if devices > 1 and not memory.accelerator:
        memory = Memory(memory.process * devices, memory.workers * devices)
    return Estimate([first, *parts, last], memory, devices, _assumed(devices, parts))


def _assumed(devices: int, parts: list[Part]) -> list[str]:
    notes = []
    if devices > 1:
        notes.append(
            f"measured on one of {devices} devices. Batches of trainings, validations and tests are divided by {devices}; the "
            "exchange of gradients is not counted, nor that devices of one machine share its CPUs and its disk. Statistics of "
            "BatchNorm, costs, latency, controllers, trials and reports take as long as on one"
        )
    if any(part.may_end_early for part in parts):
        notes.append(
            "parts marked * may take less: a guard, a pruner or patience ends them, or results are known already"
        )
    return notes


def _began(own_process: bool) -> float:
    """The reading of the clock when this process was started, or now."""
    return short.clock() - (time.time() - psutil.Process().create_time() if own_process else 0.0)


def _without_loggers(config: DictConfig) -> DictConfig:
    """Nothing is reported to services: a measurement is no run."""
    own = config.copy()
    OmegaConf.set_struct(own, False)
    own.logger = {}
    return own


def _prepare(datamodule: pl.LightningDataModule) -> None:
    datamodule.prepare_data()
    datamodule.setup("fit")


@contextlib.contextmanager
def _measuring(config: DictConfig, components: list[str]) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A folder that is gone afterwards, and who is told what is measured; nothing else is said."""

    def say(title: str) -> None:
        print(f"measuring: {title}", file=sys.stderr, flush=True)

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    with TemporaryDirectory(prefix="estimate-") as place, contextlib.redirect_stdout(io.StringIO()):
        say("data and settings")
        check_components(config, components)
        pl.seed_everything(config.seed, workers=True, verbose=False)
        yield Path(place), say

"""The found network beside random ones and one made by hand, all trained with the same budget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lightning_nas.architecture import Architecture
from lightning_nas.evaluation.contender import ContenderResult, Contest
from lightning_nas.evaluation.contenders import alone_name, contenders, spread, started
from lightning_nas.runs.contents import Front, checked, read_text
from lightning_nas.runs.settings import ComparisonSettings
from lightning_nas.search import Job, SeedBatches
from lightning_nas.search.lightning.progress import ReportedEpochs
from lightning_nas.search.paths.front_networks import front_task


def training(name: str) -> str:
    """The phase of a run in which one of :func:`contestants` is trained."""
    return f"training {name}"


def compare(
    job: Job,
    architecture: Architecture,
    settings: ComparisonSettings,
    begin: Callable[[str], None] = lambda name: None,
) -> list[ContenderResult]:
    """Trains and tests the networks; those that have finished in the run's folder are read.

    What a search has trained already, the networks of a front, is tested as it is; the others are then trained for as many
    epochs as their supernet.

    Args:
        job: The search.
        architecture: The one that it has found.
        settings: What is compared, and how long each is trained.
        begin: Called with each of :func:`contestants` before it is trained.

    Returns:
        The results: of the found network, of the others on its front if there is one, of random ones, of those made by hand.

    Raises:
        JobError: If the nearest of several draws is wanted and the task's multiply-adds cannot be counted.
    """
    kept = job.run.front_record.is_file()
    contest = contest_of(job, settings, kept=kept)
    results = _front(job, contest) if kept else []
    for one in contenders(job, architecture, settings, found=not kept):
        begin(one.title)
        results.append(contest.run(one.name, one.kind, one.build))
    if kept:
        for place, number in enumerate(spread(_numbers(job), settings.alone)):
            begin(alone_name(place))
            member = Architecture.load(job.run.front_network(number).architecture)
            results.append(contest.run(f"front {number} by itself", "alone", partial(started, job, member)))
    return results


def contest_of(job: Job, settings: ComparisonSettings, *, kept: bool) -> Contest:
    """How the networks of a comparison are trained and tested.

    Args:
        job: The search.
        settings: How long each is trained.
        kept: Whether the search leaves trained networks: then as long as their supernet.
    """
    epochs = job.supernet.epochs if kept else settings.epochs
    return Contest(
        job.run.path,
        make_task=job.make_task,
        make_trainer=lambda folder: job.trainers.training(
            folder, epochs, [SeedBatches(job.seed), ReportedEpochs(job.progress)], settings.max_time, kept=True
        ),
        datamodule=job.datamodule,
        seed=job.seed,
    )


def _numbers(job: Job) -> list[int]:
    """Of the networks of the front, cheapest first."""
    record = checked(read_text(job.run.front_record), Front, str(job.run.front_record))
    return [entry["number"] for entry in record["networks"]]


def _front(job: Job, contest: Contest) -> list[ContenderResult]:
    """The found network, then the others of the front, cheapest first."""
    record = checked(read_text(job.run.front_record), Front, str(job.run.front_record))
    others = [entry["number"] for entry in record["networks"] if entry["number"] != record["chosen"]]
    found = contest.test("found", "found", partial(front_task, job, record["chosen"]))
    return [found, *(contest.test(f"front {n}", "front", partial(front_task, job, n)) for n in others)]

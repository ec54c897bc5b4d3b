"""Train once, take the front: a supernet trained as a whole, its networks measured as they are, the best of them kept."""

from __future__ import annotations

from functools import partial

from rich.progress import track

from lightning_nas.architecture import Architecture, Choices, Option
from lightning_nas.errors import JobError, NasError, RunFolderError
from lightning_nas.search.costs import costs_of_choice
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.averaging import AveragedWeights
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.progress import ReportedEpochs
from lightning_nas.search.paths import measured_file
from lightning_nas.search.paths.elastic_module import ElasticModule, trained_supernet
from lightning_nas.search.paths.front_latency import PredictedLatency
from lightning_nas.search.paths.front_networks import FrontNetworks
from lightning_nas.search.paths.scoring import fitness_of
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.search.procedures.supernet import require_validation, seeded_task, step_settings
from lightning_nas.spaces.record import from_architecture
from lightning_nas.strategies import Elastic
from lightning_nas.strategies.paths.front import FrontSearch, Measured
from lightning_nas.strategies.paths.pareto import thinned


def search_front(strategy: Elastic, job: Job) -> dict[str, Option]:
    """Trains all networks of a space at once, measures many of them, keeps the front with its weights.

    Args:
        strategy: The settings.
        job: ``checkpoints`` and ``candidates`` of its run hold what has been done; the validation images of its data judge.

    Returns:
        The choices of the network of the front that the strategy prefers.

    Raises:
        JobError: If there are no validation images, the metric is not logged, the task or the space does not fit the strategy,
            no network keeps the limits, or what an earlier attempt left there belongs to another search.
    """
    if job.run.front_record.is_file():
        return _chosen_before(job)
    require_validation(job, type(strategy).__name__)
    try:  # what cannot be done is refused before any training
        strategy.check_space(job.space)
        latency = predicted_latency(strategy, job)
        costs = partial(_costs, job, latency)
        search = strategy.front(job.space, costs)
        module = _module(strategy, job)
    except NasError as error:
        raise JobError(f"strategy: {error}") from error
    scores = _trained(strategy, job, module)
    _measure(strategy, job, search, scores)
    front = search.front()
    kept = [
        front[index] for index in thinned([(one.value, one.costs[search.cost]) for one in front], strategy.front_size)
    ]
    networks = FrontNetworks(strategy, job, scores, latency)
    best = networks.keep(kept, measured=len(search.history))
    scores.supernet.activate(None)
    return best


def train_all(strategy: Elastic, job: Job) -> SharedWeights:
    """Trains all networks of a space at once.

    Args:
        strategy: The settings.
        job: What there is to be done.

    Returns:
        What measures the networks of the trained supernet.
    """
    return _trained(strategy, job, _module(strategy, job))


def predicted_latency(strategy: Elastic, job: Job) -> PredictedLatency | None:
    """Tells the latency of networks, where it matters to a strategy."""
    device = job.trainers.silent(job.folder).strategy.root_device
    return PredictedLatency(job, device) if "latency_ms" in strategy.costs else None


def _module(strategy: Elastic, job: Job) -> ElasticModule:
    pl.seed_everything(job.seed, workers=True, verbose=False)  # the weights of the supernet, too
    return ElasticModule(seeded_task(job)[1], strategy)


def _trained(strategy: Elastic, job: Job, module: ElasticModule) -> SharedWeights:
    watching: list[pl.Callback] = [ReportedEpochs(job.progress, open_end=True)]
    if strategy.ema is not None:
        watching.append(AveragedWeights(strategy.ema))
    trainer = job.trainers.of_paths(
        job.folder, job.supernet.epochs, watching, job.max_time, seed=job.seed, validated=False, **step_settings(job)
    )  # its networks are judged afterwards, each with statistics of its own
    trainer.fit(module, datamodule=job.datamodule, ckpt_path=last_checkpoint(job.run.path))
    silent = job.trainers.silent(job.folder)
    return SharedWeights(
        module.model,
        trained_supernet(module.model),
        job.datamodule,
        silent,
        strategy.metric,
        strategy.recalibration_batches,
        job.seed,
    )


def _costs(job: Job, latency: PredictedLatency | None, choices: Choices) -> dict[str, float]:
    found = costs_of_choice(job.supernet_task, job.datamodule, partial(job.space.network, choices))
    return found if latency is None else {**found, "latency_ms": latency(choices)}


def _measure(strategy: Elastic, job: Job, search: FrontSearch, scores: SharedWeights) -> None:
    """Measures the networks that the search for the front asks for, those of an earlier attempt left out."""
    identity = {"metric": strategy.metric, "recalibration_batches": strategy.recalibration_batches, "seed": job.seed}
    try:
        measured_file.replay(search, job.run, identity)
    except RunFolderError as error:
        raise JobError(str(error)) from error
    left = max(search.total - len(search.history), 0)
    for choices, number in track(search.waiting(), "networks", total=left):
        value = scores.score(choices)
        search.tell(Measured(choices, fitness_of(value), search.costs(choices), number))
        if scores.trainer.is_global_zero:
            measured_file.write(search, job.run, identity)


def _chosen_before(job: Job) -> dict[str, Option]:
    """The network that an attempt has chosen which was interrupted just before it had written its architecture."""
    number = job.run.chosen_of_front()
    _, choices = from_architecture(Architecture.load(job.run.front_network(number).architecture))
    job.space.validate(choices)
    return dict(choices)

"""The found network beside random ones and one made by hand, all trained with the same budget."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

from lightning_nas.architecture import Architecture, Component, Option
from lightning_nas.cost import count_parameters
from lightning_nas.errors import JobError, UncountableError
from lightning_nas.evaluation.contender import ContenderResult, Contest
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.hand_made import RESIDUAL, residual_of_size
from lightning_nas.runs.contents import Front, checked, read_text
from lightning_nas.runs.settings import ComparisonSettings
from lightning_nas.search import Job, SeedBatches
from lightning_nas.search.costs import macs_of_choice
from lightning_nas.search.lightning.progress import ReportedEpochs
from lightning_nas.search.paths.front_networks import front_task
from lightning_nas.spaces import Backbone, SearchSpace, build_space
from lightning_nas.spaces.product.network import ProductNetwork

HAND_MADE = "the one made by hand"


def contestants(settings: ComparisonSettings, space: SearchSpace, *, trained: bool = False) -> list[str]:
    """What :func:`compare` trains, in order.

    Args:
        settings: What is compared.
        space: The search space.
        trained: Whether the search leaves trained networks behind, so that the found one is not among them.
    """
    hand = [*(_family(space) or [HAND_MADE])] if settings.hand_made else []
    found = [] if trained else ["found"]
    alone = [alone_name(place) for place in range(settings.alone)] if trained else []
    return [*found, *(f"random {index}" for index in range(settings.drawn(trained=trained))), *hand, *alone]


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
    space = job.space
    kept = job.run.front_record.is_file()
    epochs = job.supernet.epochs if kept else settings.epochs
    contest = Contest(
        job.run.path,
        make_task=job.make_task,
        make_trainer=lambda folder: job.trainers.training(
            folder, epochs, [SeedBatches(job.seed), ReportedEpochs(job.progress)], settings.max_time, kept=True
        ),
        datamodule=job.datamodule,
        seed=job.seed,
    )
    if kept:
        results = _front(job, contest)
    else:
        begin("found")
        results = [contest.run("found", "found", partial(_started, job, architecture))]
    rng = random.Random(job.seed)
    macs = partial(macs_of_choice, job.make_task, job.datamodule)
    for index in range(settings.drawn(trained=kept)):
        begin(f"random {index}")
        try:
            drawn = nearest_draw(space, rng, settings.draws, partial(build_network, architecture), macs)
        except UncountableError as error:
            raise JobError(f"evaluate.draws = {settings.draws}: {error}") from error
        results.append(contest.run(f"random {index}", "random", partial(job.build_network, drawn)))
    family = _family(space) if settings.hand_made else {}
    for name, member in family.items():
        begin(name)
        results.append(contest.run(name, "baseline", partial(_started, job, member)))
    if settings.hand_made and not family:
        begin(HAND_MADE)
        in_channels = job.datamodule.in_channels
        name, build = hand_made(architecture, in_channels, strides_given=not space.levels_follow_choices)
        results.append(contest.run(name, "baseline", build))
    if kept:
        for place, number in enumerate(spread(_numbers(job), settings.alone)):
            begin(alone_name(place))
            member = Architecture.load(job.run.front_network(number).architecture)
            results.append(contest.run(f"front {number} by itself", "alone", partial(_started, job, member)))
    return results


def alone_name(place: int) -> str:
    """The phase in which a network of the front is trained by itself, by its place among those."""
    return f"{place + 1} of the front by itself"


def spread(numbers: Sequence[int], count: int) -> list[int]:
    """So many of them at most, evenly spread, the first and the last among them.

    Example:
        >>> spread([0, 1, 2, 3, 4, 5], 3), spread([0, 1], 3), spread([0, 1, 2], 1), spread([0, 1], 0)
        ([0, 2, 5], [0, 1], [2], [])
    """
    if count >= len(numbers):
        return list(numbers)
    if count < 2:
        return list(numbers[-1:])[:count]
    return [numbers[round(place * (len(numbers) - 1) / (count - 1))] for place in range(count)]


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


def _family(space: SearchSpace) -> dict[str, Architecture]:
    """The networks that a space has without a search, with the largest of what else the space decides."""
    parts = space.named_parts()
    if "backbone" not in parts:
        return {}
    members = {name: member.components["backbone"] for name, member in parts["backbone"].family().items()}
    if not members:
        return {}
    whole = space.architecture(space.largest())
    return {name: Architecture({**whole.components, "backbone": member}) for name, member in members.items()}


def _started(job: Job, architecture: Architecture) -> Backbone:
    return job.started(build_network(architecture))


def nearest_draw(
    space: SearchSpace,
    rng: random.Random,
    draws: int,
    found: Callable[[], Backbone],
    macs: Callable[[Callable[[], Backbone]], int],
) -> dict[str, Option]:
    """Of some random architectures without a known defect the one nearest in multiply-adds to the found network.

    Args:
        space: The search space.
        rng: Of the draws.
        draws: How many; of one nothing is counted.
        found: Builds the found network.
        macs: Multiply-adds of the whole network that the task makes of what is built.

    Raises:
        UncountableError: If they cannot be counted.
    """
    drawn = [space.sample_sound(rng) for _ in range(draws)]
    if draws == 1:
        return drawn[0]
    aim = macs(found)
    return min(drawn, key=lambda choices: abs(macs(partial(space.network, choices)) - aim))


def hand_made(
    architecture: Architecture, in_channels: int, *, strides_given: bool = True
) -> tuple[str, Callable[[], Backbone]]:
    """What a found network is compared with, and how to build it.

    For a searched neck that is a plain FPN of the same width and levels on the found backbone; else a residual backbone
    with as many parameters as the found backbone alone, with the same neck if there is one. Multiply-adds are not matched.

    Args:
        architecture: The found one.
        in_channels: Channels of the image.
        strides_given: Whether the strides of the maps are those of the space; where the search has chosen them, the residual
            network has the usual ones of dense prediction, 2 to 16.
    """
    neck = architecture.components.get("neck")
    if neck is not None and neck.choices:
        fpn = Component("fpn", {name: neck.space_args[name] for name in ("channels", "min_level", "max_level")}, {})
        return "plain FPN", partial(build_network, Architecture({**architecture.components, "neck": fpn}))
    found = build_network(Architecture({"backbone": architecture.components["backbone"]}))
    reductions = tuple(found.feature_info.reduction()) if strides_given else (2, 4, 8, 16)
    size = count_parameters(found)

    def build() -> Backbone:
        body = residual_of_size(size, reductions, in_channels)
        if neck is None:
            return body
        own = build_space(neck.space, neck.space_args).network(neck.choices, inputs=body.feature_info)
        return ProductNetwork({"backbone": body, "neck": own})

    return RESIDUAL, build

"""Who is compared with a found network: random ones of its space, those made by hand, those of its front by themselves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lightning_nas.architecture import Architecture, Component, Option
from lightning_nas.cost import count_parameters
from lightning_nas.errors import JobError, UncountableError
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.hand_made import RESIDUAL, residual_of_size
from lightning_nas.runs.settings import ComparisonSettings
from lightning_nas.search import Job
from lightning_nas.search.costs import macs_of_choice
from lightning_nas.spaces import Backbone, SearchSpace, build_space
from lightning_nas.spaces.product.network import ProductNetwork

HAND_MADE = "the one made by hand"


@dataclass(frozen=True)
class Contender:
    """A network that is trained for a comparison.

    Args:
        title: One of :func:`contestants`.
        name: Of its result.
        kind: Of its result.
        build: Makes the network.
    """

    title: str
    name: str
    kind: str
    build: Callable[[], Backbone]


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


def contenders(
    job: Job, architecture: Architecture, settings: ComparisonSettings, *, found: bool
) -> Iterator[Contender]:
    """The networks that are trained, but those of a front by themselves; each is drawn when it is asked for.

    Args:
        job: The search.
        architecture: The one that it has found.
        settings: What is compared.
        found: Whether the found one is trained, too.

    Raises:
        JobError: If the nearest of several draws is wanted and the task's multiply-adds cannot be counted.
    """
    space = job.space
    if found:
        yield Contender("found", "found", "found", partial(started, job, architecture))
    rng = random.Random(job.seed)
    macs = partial(macs_of_choice, job.make_task, job.datamodule)
    for index in range(settings.drawn(trained=not found)):
        try:
            drawn = nearest_draw(space, rng, settings.draws, partial(build_network, architecture), macs)
        except UncountableError as error:
            raise JobError(f"evaluate.draws = {settings.draws}: {error}") from error
        yield Contender(f"random {index}", f"random {index}", "random", partial(job.build_network, drawn))
    family = _family(space) if settings.hand_made else {}
    for name, member in family.items():
        yield Contender(name, name, "baseline", partial(started, job, member))
    if settings.hand_made and not family:
        in_channels = job.datamodule.in_channels
        name, build = hand_made(architecture, in_channels, strides_given=not space.levels_follow_choices)
        yield Contender(HAND_MADE, name, "baseline", build)


def started(job: Job, architecture: Architecture) -> Backbone:
    """The network of an architecture, with the pretrained weights of a job if there are any."""
    return job.started(build_network(architecture))


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

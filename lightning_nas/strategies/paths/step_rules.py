"""Which networks of a supernet are trained in one step: the rules, as functions of a seed and the number of the step.

Sources: Cai et al. 2020, "Once-for-All", arXiv 1908.09791 (progressive); Yu et al. 2020, "BigNAS", arXiv 2003.11142 (sandwich).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace

StepRule = Literal["uniform", "sandwich", "alternate", "progressive"]
STAGES = ("kernel", "depth", "expansion", "width")
"""Kinds of decisions that ``progressive`` lets loose, one after the other."""

_MOST_PER_STAGE = 4  # OFA: 1, 2, 4 sub-networks per step


def networks_of_step(
    rule: StepRule,
    space: SearchSpace,
    *,
    seed: int,
    step: int,
    share: float = 0.0,
    networks: int | None = None,
    stages: Sequence[str] = STAGES,
) -> list[dict[str, Option]]:
    """The networks that one step trains; a largest one comes first. Same arguments, same networks.

    - ``"uniform"``: random ones;
    - ``"sandwich"``: the largest, the smallest and random ones;
    - ``"alternate"``: the largest in every other step, random ones in between;
    - ``"progressive"``: the largest alone for the first ``1 / (k + 1)`` of the training, then random ones in which one more
      of ``k`` kinds of decisions is free in every part of that length, the others being those of the largest.

    Args:
        rule: One of them.
        space: The search space; all rules but ``"uniform"`` need one with an order of size.
        seed: Seed of the draws.
        step: Number of the step, from 0 on.
        share: Part of the training that is over, from 0 to 1; ``"progressive"`` depends on it.
        networks: Random networks per step. None: one; of ``"sandwich"`` two; of ``"progressive"`` one, two, four, as more is
            free.
        stages: Kinds of decisions in the order in which ``"progressive"`` lets them loose, see :func:`kinds_of`.

    Raises:
        NasError: If there is no such rule, a number is out of range, or the space has no order of size that the rule needs.

    Example:
        >>> from lightning_nas.spaces import Chain
        >>> space = Chain()
        >>> step = networks_of_step("sandwich", space, seed=0, step=3)
        >>> len(step), step[0] == space.largest(), step[1] == space.smallest()
        (4, True, True)
    """
    check_rule(rule, networks)
    rng = random.Random(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
    if rule == "uniform":
        return [space.sample(rng) for _ in range(networks or 1)]
    if rule == "sandwich":
        count = 2 if networks is None else networks
        return [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(count))]
    if rule == "alternate":
        return [space.sample(rng) for _ in range(networks or 1)] if step % 2 else [space.largest()]
    kinds = kinds_of(space, stages)
    loose = min(int(share * (len(kinds) + 1)), len(kinds))
    if not loose:
        return [space.largest()]
    count = min(2 ** (loose - 1), _MOST_PER_STAGE) if networks is None else networks
    free = {name for kind in kinds[:loose] for name in kind}
    held = {name: option for name, option in space.largest().items() if name not in free}
    return [space.complete(held, rng) for _ in range(count)]


def check_rule(rule: str, networks: int | None) -> None:
    """Checks the arguments of :func:`networks_of_step`.

    Raises:
        ArgumentError: If there is no such rule, or the number of networks is below that of a step.
    """
    if rule not in get_args(StepRule):
        raise ArgumentError(f"rule must be one of {list(get_args(StepRule))}, got {rule!r}")
    least = 0 if rule == "sandwich" else 1
    if networks is not None and networks < least:
        raise ArgumentError(f"networks must be at least {least} with rule = {rule!r}, or null, got {networks}")


def kinds_of(space: SearchSpace, stages: Sequence[str] = STAGES) -> list[list[str]]:
    """The decisions of a space by kind, in the order of ``stages``; those of no such kind come last, as one more.

    Args:
        space: The search space.
        stages: Last parts of names of decisions: ``"depth"`` is that of ``stage2.depth``. Kinds that the space lacks are left
            out.

    Example:
        >>> from lightning_nas.spaces import Chain
        >>> first, rest = kinds_of(Chain(depths=(2, 3), widths=(8, 16), strides=(2, 2)))
        >>> first, rest
        (['stage1.depth'], ['stage0.0', 'stage0.1', 'stage1.0', 'stage1.1', 'stage1.2'])
    """
    by_kind: dict[str, list[str]] = {stage: [] for stage in stages}
    rest: list[str] = []
    for name in space.decisions:
        by_kind.get(name.replace("/", ".").rpartition(".")[2], rest).append(name)
    return [names for names in (*by_kind.values(), rest) if names]


def at_one_size(space: SearchSpace, networks: Sequence[Choices]) -> list[dict[str, Option]]:
    """The networks of a step, all on images of the size that the last one of them has.

    Outputs can then be compared place by place.

    Args:
        space: The search space; nothing changes if it does not decide the size of the image.
        networks: Of the step.
    """
    return [{**choices, **image_choices(space, networks[-1])} for choices in networks]


def teacher_of(space: SearchSpace, choices: Choices) -> dict[str, Option]:
    """The largest network on images of the size that a network has."""
    return {**space.largest(), **image_choices(space, choices)}


def image_choices(space: SearchSpace, choices: Choices) -> dict[str, Option]:
    """What was chosen of the image."""
    names = [
        f"{name}/{own}" for name, part in space.named_parts().items() if part.role == "image" for own in part.decisions
    ]
    return {name: choices[name] for name in names if name in choices}


def share_of_training(epoch: int, epochs: int | None, batch: int, batches: float) -> float:
    """The part of a training that is over, from 0 to 1.

    Args:
        epoch: Finished epochs.
        epochs: All; None or -1: without end.
        batch: Batches of the epoch that are over.
        batches: All of an epoch; infinite for a stream.

    Example:
        >>> share_of_training(3, 6, 5, 10)
        0.5833333333333334
    """
    if epochs is None or epochs < 1:
        return 0.0
    within = batch / batches if math.isfinite(batches) and batches else 0.0
    return min((epoch + within) / epochs, 1.0)

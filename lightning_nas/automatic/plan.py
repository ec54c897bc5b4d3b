"""What fits into a given time: size of the images, epochs of the search and of the training, networks to compare with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning_nas.automatic.layout import Layout
from lightning_nas.errors import NasError
from lightning_nas.estimation.pace import Pace

SIDES = (64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640)
"""Sides of images that are considered, multiples of the stride of a backbone's last map."""

SMALLEST_BATCH, LARGEST_BATCH = 4, 32
STEPS = 64
"""Steps an epoch has at least, as far as the batch may shrink for it: small data need steps more than large batches."""

OVERHEAD = 60.0
"""Seconds that starting, counting costs, exporting and reporting take in all."""

TEST = 25.0
"""Seconds that starting a training, its test and its report take."""

MARGIN = 0.06
"""Share of the time that is left free."""

TRAINING = 0.45
"""Share of the rest in which the found network is trained to the end."""

SMALLER = 0.75
"""Mean cost of a network of the space, relative to the largest one."""

FEWEST, MOST = 5, 60
"""Epochs of the search that are wanted at least, and that are enough."""

FRONT = 5
"""Networks that the search keeps."""

MOST_OF_TRAINING = 150
"""Epochs of the training that are enough."""


class TimeError(NasError):
    """A time in which nothing can be trained; the text says how long it takes at least."""


@dataclass(frozen=True)
class Plan:
    """How the time is used.

    Args:
        side: Of the images, in pixels.
        batch_size: Images per batch.
        search_epochs: Of the supernet, and of each network that it is compared with.
        train_epochs: Of the found network afterwards.
        measured: Networks of the supernet that are measured.
        random: Random networks to compare with.
        hand_made: Whether the seed network in its usual sizes is compared, too.
        seconds: Expected of search, comparison and training.
        disk: Bytes that there must be for everything.
        memory: Bytes that are taken at most, of the accelerator if there is one.
    """

    side: int
    batch_size: int
    search_epochs: int
    train_epochs: int
    measured: int
    random: int
    hand_made: bool
    seconds: tuple[float, float, float]
    disk: int = 0
    memory: int = 0

    def described(self, seconds: float) -> list[str]:
        """Lines for people.

        Args:
            seconds: That there are for everything.
        """
        search, comparison, training = (f"{part / 60:.1f} min" for part in self.seconds)
        others = self.random + 3 * self.hand_made
        return [
            f"plan:     images of {self.side} pixels, {self.batch_size} a batch; of {seconds / 60:.0f} min",
            f"          {search}: {self.search_epochs} epochs of all networks at once, {self.measured} of them measured",
            f"          {comparison}: {others} others, {self.search_epochs} epochs each, to see what the search is worth"
            if others
            else "          no comparison: the time is too short for it",
            f"          {training}: about {self.train_epochs} epochs of the chosen one",
        ]


def batch_size(images: int) -> int:
    """Images per batch for so many training images: a power of two.

    Example:
        >>> [batch_size(images) for images in (100, 272, 1000, 100_000)]
        [4, 4, 8, 32]
    """
    size = SMALLEST_BATCH
    while size < LARGEST_BATCH and images // (2 * size) >= STEPS:
        size *= 2
    return size


def largest_side(layout: Layout) -> int:
    """The largest of the sides that does not enlarge the images; the smallest one for tiny images."""
    return max(
        (side for side in SIDES if layout.smallest_side <= side <= layout.sides[0]), default=layout.smallest_side
    )


def make_plan(
    layout: Layout,
    seconds: float,
    pace: Callable[[int, int], Pace],
    *,
    side: int | None = None,
    batch: int | None = None,
    free: int = sys.maxsize,
) -> Plan:
    """Measures the largest network, and divides the time.

    Where the memory that was measured would not fit into what is free at the size of images that is chosen, fewer images are
    taken per batch, and where the fewest do not fit, smaller images.

    Args:
        layout: The data.
        seconds: From now to the end.
        pace: Side, batch size -> how long a step of the largest network takes.
        side: Of the images, if it is given.
        batch: Images per batch, if it is given.
        free: Bytes of memory.

    Raises:
        TimeError: If not one epoch of search and training fits.
    """
    size = batch or batch_size(layout.images["train"])
    first = side or min(128, largest_side(layout))
    measured = pace(first, size)

    def fitting(wanted: int) -> int:
        """Images per batch at that side; 0 if the fewest do not fit."""
        sizes = [size] if batch else [count for count in (size // 2**n for n in range(size)) if count >= SMALLEST_BATCH]
        area = (wanted / first) ** 2
        return next((count for count in sizes if measured.memory_at(area * count / size) <= free), 0)

    chosen = first
    if side is None:
        sides = [one for one in SIDES if layout.smallest_side <= one <= largest_side(layout)]
        chosen = _affordable(measured, first, [one for one in sides if fitting(one)] or sides[:1], seconds)
    images = fitting(chosen) or (batch or SMALLEST_BATCH)
    found = measured if (chosen, images) == (first, size) else pace(chosen, images)
    return divided(chosen, images, seconds, found)


def _affordable(measured: Pace, side: int, sides: Sequence[int], seconds: float) -> int:
    """The largest side at which search and training still have twice the fewest epochs; cost grows with the area."""
    fitting = [*sides[:1], *([] if sides else [side])]
    for wanted in sides:
        epoch = measured.epoch * (wanted / side) ** 2
        if _search_epochs(_left(seconds), epoch, measured.measurement * (wanted / side) ** 2, 4, 12) >= 2 * FEWEST:
            fitting.append(wanted)
    return max(fitting)


def disk_of(pace: Pace, others: int) -> int:
    """Bytes for everything: checkpoints of the supernet, of those compared and of the training, the front, the exported files.

    While it trains, a training has two checkpoints, and the last one keeps its best beside these.

    Args:
        pace: Of the largest network.
        others: Networks that are compared.
    """
    return (5 + others) * pace.checkpoint + (FRONT + 2) * pace.weights


def _left(seconds: float) -> float:
    return seconds * (1 - MARGIN) - OVERHEAD


def _search_epochs(left: float, epoch: float, measurement: float, others: int, measured: int) -> int:
    rest = left * (1 - TRAINING) - measured * measurement
    return int(rest / (SMALLER * epoch * (1 + others)))


def divided(side: int, batch: int, seconds: float, pace: Pace) -> Plan:
    """The plan for one size of images.

    Args:
        side: Of the images.
        batch: Images per batch.
        seconds: From now to the end.
        pace: Of the largest network.

    Raises:
        TimeError: If not one epoch of search and training fits.

    Example:
        >>> pace = Pace(0.1, 0.05, train_batches=60, val_batches=20, start=1.0, memory=0)
        >>> plan = divided(128, 4, 1200.0, pace)
        >>> plan.search_epochs, plan.train_epochs, plan.random, plan.hand_made
        (20, 91, 1, True)
    """
    left, epoch = _left(seconds), pace.epoch
    measured = int(min(max(0.08 * left / pace.measurement, 8), 30))
    for random, hand_made in ((1, True), (1, False), (0, False)):
        others = random + 3 * hand_made
        epochs = min(_search_epochs(left, epoch, pace.measurement, others, measured), MOST)
        if epochs >= FEWEST or (others == 0 and epochs >= 1):
            break
    train_epochs = min(int(left * TRAINING / (SMALLER * epoch)), MOST_OF_TRAINING)
    if epochs < 1 or train_epochs < 1:
        shares = ((SMALLER * epoch + measured * pace.measurement) / (1 - TRAINING), SMALLER * epoch / TRAINING)
        raise TimeError(
            f"time = {seconds:.0f} s: one epoch takes about {epoch:.0f} s on this machine, so that a search and a training of "
            f"one epoch each need {(OVERHEAD + max(shares)) / (1 - MARGIN):.0f} s at least"
        )
    once = SMALLER * epoch
    return Plan(
        side, batch, epochs, train_epochs, measured, random, hand_made,
        (epochs * once + measured * pace.measurement, others * epochs * once, train_epochs * once),
        disk_of(pace, others), pace.memory,
    )  # fmt: skip


def training_epochs(seconds: float, pace: Pace) -> int:
    """Epochs of the chosen network that fit into a time beside its test, a twentieth of it left free; one at least.

    Example:
        >>> training_epochs(160.0, Pace(0.1, 0.05, train_batches=60, val_batches=20, start=1.0, memory=0))
        18
    """
    return max(min(int((0.95 * seconds - TEST) / pace.epoch), MOST_OF_TRAINING), 1)

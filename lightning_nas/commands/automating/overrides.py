"""The commands that an automatic run starts: their overrides, and how fast this machine runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from lightning_nas.architecture import Architecture
from lightning_nas.automatic.layout import Layout
from lightning_nas.automatic.plan import FRONT, Plan
from lightning_nas.commands.automating.settings import AutoSettings
from lightning_nas.commands.components import make_data, make_space, task_maker
from lightning_nas.commands.job import make_trainers
from lightning_nas.commands.network import named_seed
from lightning_nas.commands.phases import in_words
from lightning_nas.commands.refusing import CONFIGS
from lightning_nas.estimation import Pace, measure
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.remapping import remap
from lightning_nas.runs import RunFolder

SEED = "mobilenet_v2"
"""The network whose smaller versions are searched."""

SPACE = ("recipe=default/small", "space=elastic", f"space.seed={SEED}", "strategy=elastic")

PATIENCE = 12
"""Epochs without a rise after which the training ends, at least: a third of all, as the rate falls and the best comes late."""


@dataclass(frozen=True)
class Commands:
    """Writes the overrides of the commands.

    Args:
        layout: Of the data.
        settings: What the user asked for; what they say wins over all else.
        weights: Pretrained weights to start from; None for random ones.
    """

    layout: Layout
    settings: AutoSettings
    weights: str | None

    def pace(self, side: int, batch: int) -> Pace:
        """How fast the largest network of the space trains here, and a line that says so."""
        config = composed(
            "search", [*SPACE, *self._shared(side, batch), *self._pretrained, *self.settings.overrides_of("search")]
        )
        datamodule = make_data(config)
        space = make_space(config.space, datamodule.in_channels)
        network = space.network(space.largest())
        seed = named_seed(config, space)
        if seed is not None:
            remap(seed, network)
        found = measure(
            make_trainers(config, self.settings.out), task_maker(config.task, datamodule)(network), datamodule
        )
        print(
            f"measured: at {side} pixels and {batch} images a batch {1000 * found.train_step:.0f} ms a step, "
            f"{in_words(found.epoch)} an epoch, {found.memory / 2**30:.1f} GiB"
        )
        return found

    def search(self, plan: Plan, folder: RunFolder) -> list[str]:
        """Of the search with its comparison."""
        limit = self.settings.latency_ms
        initial = max(plan.measured * 2 // 3, 2)
        return [
            *SPACE,
            *self._shared(plan.side, plan.batch_size),
            *self._pretrained,
            *([] if limit is None else ["strategy.cost=latency_ms", f"strategy.max_latency_ms={limit:g}"]),
            "strategy.exhaustive=0", f"strategy.initial={initial}", "strategy.rounds=1",
            f"strategy.per_round={max(plan.measured - initial, 1)}", f"strategy.front_size={FRONT}",
            f"search.epochs={plan.search_epochs}", f"evaluate.random={plan.random}",
            f"evaluate.hand_made={str(plan.hand_made).lower()}", *self._comparison(plan),
            f"max_time={clock_time(1.2 * plan.seconds[0] + 15)}",
            *self.settings.overrides_of("search"), f"hydra.run.dir={folder}",
        ]  # fmt: skip

    def _comparison(self, plan: Plan) -> list[str]:
        """A network that it takes longer to train here than was measured ends early: the training comes after it."""
        others = plan.random + 3 * plan.hand_made
        return [f"evaluate.max_time={clock_time(plan.seconds[1] / others + 5)}"] if others else []

    def training(
        self, plan: Plan, searched: RunFolder, folder: RunFolder, left: float, epochs: Callable[[Pace], int]
    ) -> list[str]:
        """Of the training of the network that the search has chosen.

        Args:
            plan: Says how images come.
            searched: Folder of the search.
            folder: Of the training.
            left: Seconds that it may take.
            epochs: How fast that network trains -> its epochs.
        """
        network = searched.front_network(searched.chosen_of_front())
        shared = [*self._training_at(plan.side, plan.batch_size), f"architecture={network}"]
        given = self.settings.overrides_of("train")
        config = composed("train", [*shared, *given])
        datamodule = make_data(config)
        task = task_maker(config.task, datamodule)(build_network(Architecture.load(network.architecture)))
        count = epochs(measure(make_trainers(config, folder.path), task, datamodule))
        patience = f"callbacks.early_stopping.patience={max(PATIENCE, count // 3)}"
        ending = [f"epochs={count}", *([patience] if "early_stopping" in config.callbacks else [])]
        return [*shared, *ending, f"max_time={clock_time(left)}", *given, f"hydra.run.dir={folder}"]

    def check_training(self) -> None:
        """Refuses a key or a value of the training before the search begins.

        Raises:
            HydraException: If there is no such key, or none of such a value.
        """
        composed("train", [*self._training_at(self.layout.smallest_side, 1), *self.settings.overrides_of("train")])

    def _training_at(self, side: int, batch: int) -> list[str]:
        return ["recipe=default/small_train", *self._shared(side, batch), "callbacks=[best,early_stopping]"]

    @property
    def _pretrained(self) -> list[str]:
        return [] if self.weights is None else [f"pretrained={self.weights}"]

    def _shared(self, side: int, batch: int) -> list[str]:
        layout = self.layout
        return [
            f"task={layout.task}", f"data={layout.data}", *layout.settings, *layout.sized(side), f"data.batch_size={batch}",
            f"seed={self.settings.seed}",
        ]  # fmt: skip


def composed(command: str, overrides: Sequence[str]) -> Any:
    """The config of a command."""
    GlobalHydra.instance().clear()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        return compose(command, list(overrides))


def clock_time(seconds: float) -> str:
    """As Lightning's Timer reads it.

    Example:
        >>> clock_time(93_784.9)
        '01:02:03:04'
    """
    whole = int(seconds)
    return f"{whole // 86400:02d}:{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"

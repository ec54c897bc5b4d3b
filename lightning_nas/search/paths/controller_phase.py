"""ENAS within an ordinary training: paths from a controller, and phases in which the controller learns."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.search.headline import validation_score
from lightning_nas.search.lightning.distributed import average_over_ranks, check_equal_on_ranks, is_distributed
from lightning_nas.search.lightning.families import Callback, pl
from lightning_nas.search.lightning.random_numbers import seed_globally
from lightning_nas.search.paths.minibatch import judging
from lightning_nas.search.paths.sampled import require_unused_parameters
from lightning_nas.spaces import Supernet, find_supernets
from lightning_nas.strategies.paths.controller import Controller, Learnt
from lightning_nas.strategies.paths.enas import Enas
from lightning_nas.strategies.paths.shortlist import Shortlist, distinct

CHILD, LEARN, DERIVE = range(3)
"""First labels of the controller's draws: for a batch of the weights, for its own phases, for the end."""


class ControllerPhase(Callback):
    """Activates a path from the controller for every training batch, and trains the controller after every epoch.

    A callback, because the shared weights need nothing but an ordinary training: the task stays under a plain Trainer with
    automatic optimization, so that accumulation, clipping, precision, schedules and loggers work as everywhere. The phase of
    the controller is no training of the task; it comes at the end of an epoch, before the checkpoint is written.

    - An epoch moves the shared weights of the sampled paths and their BatchNorm statistics; the policy is fixed.
    - A phase moves the policy, its Adam and its baseline, nothing else. Paths are validated in evaluation mode on
      minibatches of the architecture's half of the training set, each on another one.

    The path of a batch follows from seed, epoch, batch and the policy. Controller and count of phases are in the checkpoint.
    Over several ranks scores are averaged, and every rank makes the same step.

    The Trainer needs a data module with an ``architecture_dataloader``, such as :class:`~lightning_nas.search.WeightsHalf`.
    Logs ``controller/score``, ``reward``, ``entropy``, ``baseline`` and ``skip_divergence``, means over a phase.

    Source: Pham et al. 2018, arXiv 1802.03268, section 2.2.

    Args:
        strategy: The settings.
        warmup_epochs: Epochs at the start in which only weights move: paths come from the untrained controller.

    Raises:
        ValueError: If ``warmup_epochs`` is negative.

    Example:
        >>> phase = ControllerPhase(Enas(derive=10))  # doctest: +SKIP
        >>> trainer = pl.Trainer(callbacks=[phase], max_epochs=150)  # doctest: +SKIP
        >>> trainer.fit(task, datamodule=WeightsHalf(datamodule))  # doctest: +SKIP
        >>> choices, score = phase.derive(trainer, task)  # doctest: +SKIP
    """

    def __init__(self, strategy: Enas, *, warmup_epochs: int = 0) -> None:
        if warmup_epochs < 0:
            raise ArgumentError(f"warmup_epochs must be at least 0, got {warmup_epochs}")
        self.strategy, self.warmup_epochs = strategy, warmup_epochs
        self._controller: Controller | None = None
        self._epochs_done = 0
        self._active: dict[str, Option] | None = None  # the path of the last batch

    @property
    def controller(self) -> Controller:
        """The controller; there is one once a Trainer has begun."""
        assert self._controller is not None, "a Trainer has not begun yet"
        return self._controller

    # ---- what the Trainer calls ---------------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        """Makes the controller.

        Raises:
            ValueError: If the task has not exactly one supernet, the data module gives no minibatches for the controller, or
                DDP has not been told of unused parameters.
        """
        if self._controller is None:
            self._controller = self.strategy.controller(_only_supernet(pl_module).space)
        if stage != "fit":
            return
        if not hasattr(trainer.datamodule, "architecture_dataloader"):  # type: ignore[attr-defined]
            raise ArgumentError(
                "ENAS needs data that train no weights: fit with datamodule=WeightsHalf(your data module), got "
                f"{type(trainer.datamodule).__name__}"  # type: ignore[attr-defined]
            )
        require_unused_parameters(trainer)
        self._epochs_done = trainer.current_epoch  # of a Trainer that goes on; a checkpoint is loaded later

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Catches up on the phase of an epoch whose checkpoint was written before its end."""
        self._run_phases(trainer, pl_module, trainer.current_epoch)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Draws the path of the batch."""
        self._active = self.controller.sample(CHILD, trainer.current_epoch, batch_idx)
        _only_supernet(pl_module).activate(self._active)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """The phase of the epoch."""
        learnt = self._run_phases(trainer, pl_module, trainer.current_epoch + 1)
        names = ("score", "reward", "entropy", "baseline", "skip_divergence")
        for name in names if learnt else ():
            mean = float(np.mean([getattr(step, name) for step in learnt]))
            pl_module.log(f"controller/{name}", mean, prog_bar=name == "score", sync_dist=True)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """All paths are mixed again."""
        _only_supernet(pl_module).activate(None)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold."""
        return {"controller": self.controller.state_dict(), "epochs_done": self._epochs_done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the state back."""
        self.controller.load_state_dict(state_dict["controller"])
        self._epochs_done = state_dict["epochs_done"]

    # ---- the phase ----------------------------------------------------------------------------------------------

    def _run_phases(self, trainer: pl.Trainer, task: Any, epochs: int) -> list[Learnt]:
        """The phases that are missing after so many epochs; gives the steps of the last one."""
        learnt: list[Learnt] = []
        while self._epochs_done < epochs:
            if self._epochs_done >= self.warmup_epochs:
                learnt = self.learn(trainer, task, self._epochs_done)
            self._epochs_done += 1
        return learnt

    def learn(self, trainer: pl.Trainer, task: Any, epoch: int) -> list[Learnt]:
        """The phase of the controller after an epoch; gives what it has learnt in each of its steps."""
        learnt: list[Learnt] = []
        with self._minibatches(trainer, LEARN, epoch) as batches, self._scores(trainer, task) as score:
            for step in range(self.strategy.controller_steps):
                drawn = [self.controller.sample(LEARN, epoch, step, n) for n in range(self.strategy.controller_batch)]
                learnt.append(self.controller.learn(drawn, [score(choices, next(batches)) for choices in drawn]))
        _only_supernet(task).activate(self._active)
        check_equal_on_ranks(_on_device(self.controller.policy.parameters(), trainer), "the weights of the controller")
        return learnt

    @contextlib.contextmanager
    def _minibatches(self, trainer: pl.Trainer, *labels: int) -> Iterator[Iterator[Any]]:
        """Shuffled minibatches of the architecture's half without an end, and random numbers of their own for them."""
        entropy = [self.strategy.seed, trainer.global_rank, *labels]
        loader = trainer.datamodule.architecture_dataloader()  # type: ignore[attr-defined]
        if not len(loader):
            raise ArgumentError(
                "the architecture's half holds no minibatch for every rank: lower fraction, or use fewer ranks"
            )

        def endless() -> Generator[Any, None, None]:
            for count in itertools.count():
                if hasattr(loader.sampler, "set_epoch"):
                    loader.sampler.set_epoch(_number([*labels, count]))
                yield from loader

        with pl.utilities.seed.isolate_rng(), contextlib.closing(endless()) as batches:
            seed_globally(_number(entropy))  # augmentations draw from them
            yield batches

    @contextlib.contextmanager
    def _scores(self, trainer: pl.Trainer, task: Any) -> Iterator[Callable[[Choices, Any], float]]:
        """Gives a function: architecture and minibatch -> score, the same on all ranks."""
        supernet = _only_supernet(task)

        with judging(trainer, task, own_statistics=self.strategy.batch_statistics) as validate:

            def score(choices: Choices, batch: Any) -> float:
                supernet.activate(choices)
                _, value = validation_score(validate(batch), self.strategy.metric, task)
                if is_distributed():
                    device = trainer.strategy.root_device
                    value = float(average_over_ranks([torch.tensor([value], device=device)])[0])
                return value

            yield score

    # ---- the end ------------------------------------------------------------------------------------------------

    def shortlist(self) -> Shortlist:
        """Different architectures from the trained controller, to be scored by :meth:`judge`."""
        draws = itertools.count()
        return Shortlist(distinct(lambda: self.controller.sample(DERIVE, next(draws)), self.strategy.derive))

    @contextlib.contextmanager
    def judge(self, trainer: pl.Trainer, task: Any) -> Iterator[Callable[[Choices], float]]:
        """Gives a function: architecture -> score on one minibatch, the same one for all.

        Args:
            trainer: That has trained the task, with this callback.
            task: The task.
        """
        task.to(trainer.strategy.root_device)
        with self._minibatches(trainer, DERIVE) as batches, self._scores(trainer, task) as score:
            batch = next(batches)
            try:
                yield lambda choices: score(choices, batch)
            finally:
                _only_supernet(task).activate(None)

    def derive(self, trainer: pl.Trainer, task: Any) -> tuple[dict[str, Option], float]:
        """The best of some architectures from the trained controller, and its score.

        Args:
            trainer: That has trained the task, with this callback.
            task: The task.
        """
        shortlist = self.shortlist()
        with self.judge(trainer, task) as score:
            while not shortlist.done:
                choices = shortlist.ask()
                shortlist.tell(choices, score(choices))
        return shortlist.best()


def _only_supernet(task: Any) -> Supernet:
    supernets = find_supernets(task)
    if len(supernets) != 1:
        raise ArgumentError(f"the task must hold exactly one Supernet, found {len(supernets)} in {type(task).__name__}")
    return supernets[0]


def _number(entropy: list[int]) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def _on_device(tensors: Any, trainer: pl.Trainer) -> list[Tensor]:
    return [tensor.detach().to(trainer.strategy.root_device) for tensor in tensors]

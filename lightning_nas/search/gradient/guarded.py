"""What a search does for the parts of its strategy beside the two steps: disturbances, comparisons, second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.search.gradient.architecture_step import frozen
from lightning_nas.search.gradient.lifecycle import SearchLifecycle
from lightning_nas.search.lightning.distributed import average_over_ranks
from lightning_nas.search.lightning.families import pl
from lightning_nas.spaces import textbook_form
from lightning_nas.strategies import GradientStrategy
from lightning_nas.strategies.gradient.guards import Curvature


class GuardedSearch(SearchLifecycle):
    """Serves the perturbation and the guard of a strategy.

    Args:
        model: A module with a supernet.
        strategy: How to relax, step and decode the logits.
        warmup_epochs: Epochs at the start in which only weights move.
        seed: Random numbers of every batch start from seed, rank, epoch and batch.
        settings: Of the Trainer, see :class:`SearchLifecycle`.

    Attributes:
        schedules_ended: Whether the search is over, and what is trained now is what a selection needs.
    """

    def __init__(
        self, model: Any, strategy: GradientStrategy, *, warmup_epochs: int, seed: int, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(model, strategy, warmup_epochs=warmup_epochs, seed=seed, settings=settings)
        self.schedules_ended = False
        self._last_pairs: list[dict[str, Any]] = []  # of the batch before, for the guard
        self._watched: list[list[nn.Parameter]] = []  # weights that the guard compares, operation by operation
        self._seen: list[Tensor] | None = None  # their gradients on the architecture half

    def loss_of(self, batch: Any, half: str, batch_idx: int) -> Tensor | None:
        """The loss of a batch on the device, with the strategy's penalty; None if it is skipped."""
        raise NotImplementedError

    def moved(self, batch: Any) -> Any:
        """A batch that has gone through the batch hooks and is on the device."""
        raise NotImplementedError

    def loss_scale(self) -> float:
        """What losses are multiplied with in fp16; 1 otherwise."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        return 1.0 if scaler is None else float(scaler.get_scale())

    # ---- the perturbation -----------------------------------------------------------------------------------------------

    def disturb(self, batch: Any, batch_idx: int) -> None:
        """Lets the strategy look for the worst disturbance of the weights of the options for a batch."""
        if not self.strategy.attacks:
            return
        everything = [*self._weights, *self._logits.parameters]

        def ascent(deltas: Sequence[Tensor]) -> list[Tensor]:
            loss = self.loss_of(batch, "weights", batch_idx)
            if loss is None:
                return [torch.zeros_like(delta) for delta in deltas]
            found = torch.autograd.grad(loss * self.loss_scale(), deltas, allow_unused=True)
            return average_over_ranks(
                [torch.zeros_like(d) if g is None else g for d, g in zip(deltas, found, strict=True)]
            )

        with self.unseen(), frozen(everything), torch.random.fork_rng():
            self.strategy.attack(ascent, dict(self.supernet.logits.items()))

    # ---- the guard ------------------------------------------------------------------------------------------------------

    @property
    def watched(self) -> list[nn.Parameter]:
        """The weights whose gradients the guard compares, in one row."""
        return [parameter for operation in self._watched for parameter in operation]

    def on_fit_start(self) -> None:
        """Asks the guard what it watches."""
        super().on_fit_start()
        guard = self.strategy.guard
        if guard is not None and guard.weighs:
            self._watched = [list(operation) for operation in guard.watch(self.supernet)]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Lets the guard compare gradients; weights that are to rest get none."""
        self.model.on_before_optimizer_step(optimizer)
        guard = self.strategy.guard
        if guard is None or not guard.weighs:
            return
        seen = None if self._seen is None else average_over_ranks(self._seen)
        self._seen = None
        rests = guard.compare(seen, [parameter.grad for parameter in self.watched])
        for operation, rest in zip(self._watched, rests, strict=True):
            for parameter in operation if rest else ():
                parameter.grad = None

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Calls the hosted module; after the last batch of a due epoch in which logits move, lets the guard look."""
        self.model.on_train_batch_end(outputs, batch, batch_idx)
        guard, pairs, self._last_pairs = self.strategy.guard, self._last_pairs, []
        if guard is None or not pairs or not self.trainer.is_last_batch or self.schedules_ended:
            return
        if self.logits_frozen or not guard.due(self.current_epoch):
            return
        self.look(pairs[0]["architecture"], batch_idx)
        if guard.stopped is not None:
            self.trainer.should_stop = True
            pl.utilities.rank_zero_info(f"guard: {guard.stopped}")

    def look(self, batch: Any, batch_idx: int) -> None:
        """Lets the guard look at the loss of a batch.

        Args:
            batch: Of the architecture half, as its loader gave it.
            batch_idx: Its number.
        """
        guard = self.strategy.guard
        assert guard is not None
        logits = {name: group.detach().clone() for name, group in self._named_logits().items()}
        with self.unseen(), torch.random.fork_rng(), self._at_the_mean():
            moved = self.moved(batch)
            curvature = self._curvature(lambda: self.loss_of(moved, "architecture", batch_idx))
            if curvature is not None:
                guard.look(self.current_epoch, curvature, logits)
        with torch.no_grad():  # only here: inside, whatever the guard goes back to would be put back
            for name, group in self._named_logits().items():
                group.copy_(logits[name])

    def _named_logits(self) -> dict[str, Tensor]:
        edges = {f"edges of {name}": group for name, group in self.supernet.edge_logits.items()}
        return {**dict(self.supernet.logits.items()), **edges}

    @contextmanager
    def _at_the_mean(self) -> Iterator[None]:
        """Inside, options have their mean weights, nothing is frozen or cast, and everything can be differentiated twice."""
        self.strategy.begin_step("architecture")
        self.strategy.averaged(True)
        try:
            with (
                frozen(self._weights),
                textbook_form(self.model),
                torch.autocast(self.device.type, enabled=False),
                torch.enable_grad(),
            ):
                yield
        finally:
            self.strategy.averaged(False)
            self.strategy.begin_step("weights")

    def _curvature(self, loss: Callable[[], Tensor | None]) -> Curvature | None:
        """Second derivatives of a loss, of which one graph is kept; None if the batch is skipped."""
        value = loss()
        if value is None:
            return None
        logits = list(self.supernet.logits.values())
        first = torch.autograd.grad(value, logits, create_graph=True, allow_unused=True)
        depends = [(g, i) for i, g in enumerate(first) if g is not None and g.requires_grad]

        def product(vector: Sequence[Tensor]) -> list[Tensor]:
            directed = [(g * vector[i]).sum() for g, i in depends]
            if not directed:
                return [torch.zeros_like(group) for group in logits]
            found = torch.autograd.grad(torch.stack(directed).sum(), logits, retain_graph=True, allow_unused=True)
            return average_over_ranks(
                [torch.zeros_like(group) if g is None else g for g, group in zip(found, logits, strict=True)]
            )

        return Curvature(product, logits)

"""How long and how each phase of a search runs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SupernetSettings:
    """The training of a supernet.

    Args:
        epochs: In all.
        warmup_epochs: At the start, in which only the weights move.
        arch_every_n_steps: Weight steps per architecture step.
        accumulate_grad_batches: Batches per weight step.
        gradient_clip_val: Bound of the weights' gradient; None for none.
        gradient_clip_algorithm: ``"norm"`` or ``"value"``.
        fraction: Share of the training set that trains the weights; the rest trains the architecture.

    Example:
        >>> SupernetSettings(epochs=5).epochs
        5
    """

    epochs: int = 12
    warmup_epochs: int = 2
    arch_every_n_steps: int = 1
    accumulate_grad_batches: int = 1
    gradient_clip_val: float | None = 5.0
    gradient_clip_algorithm: str = "norm"
    fraction: float = 0.5


@dataclass
class TrialsSettings:
    """A search that evaluates one architecture after the other.

    Args:
        count: Finished trials, after which the search ends.
        storage: Where the study lies, see :func:`lightning_nas.search.trials.storage.open_storage`; None: in the run folder.
        study: Its name there.
        costs: Minimised beside the metric: ``parameters``, ``macs``, ``latency_ms`` of the whole network, or what the
            evaluator measures.
        reuse: Results that are told again: ``"none"``, ``"same"`` architecture, ``"isomorphic"``: of the same function.
        most_failures: Failed trials in a row after which a worker gives up.
        worker: Number of this worker.

    Example:
        >>> TrialsSettings(count=100).count
        100
    """

    count: int = 12
    storage: str | None = None
    study: str = "search"
    costs: list[str] = field(default_factory=list)
    reuse: str = "same"
    most_failures: int = 5
    worker: int = 0


@dataclass
class ComparisonSettings:
    """The comparison after the search; every network gets the same budget.

    Args:
        epochs: Of every network. Where a search leaves trained networks, the others have as many as its supernet.
        random: How many random architectures of the space; None: three, or one beside a front, which has other networks of
            the space already, and those of its family in their usual sizes.
        draws: Each is the nearest in multiply-adds of the whole network to the found one among so many draws.
        hand_made: Whether one that was made by hand is compared, too.
        alone: How many networks of a front are trained by themselves, too, evenly spread over it: whether the weights that they
            shared rank them as their own training does. 0 for none.
        max_time: Wall time after which the training of a network ends early, DD:HH:MM:SS; None for none.
    """

    epochs: int = 10
    random: int | None = None
    draws: int = 1
    hand_made: bool = True
    alone: int = 0
    max_time: str | None = None

    def drawn(self, *, trained: bool) -> int:
        """How many random architectures are compared.

        Args:
            trained: Whether the search leaves trained networks.

        Example:
            >>> ComparisonSettings().drawn(trained=True), ComparisonSettings(random=2).drawn(trained=True)
            (1, 2)
        """
        if self.random is not None:
            return self.random
        return 1 if trained else 3

"""Selection by perturbation: an option is worth what its removal costs, not what its logit says.

Source: Wang et al. 2021, "Rethinking Architecture Selection in Differentiable NAS", arXiv 2108.04392, section 4 and
algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import OptionWeights, SearchSpace, Supernet
from lightning_nas.strategies.gradient.guards.max_skips import names_of
from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.selection.base import Selection

NONE = "none"


@dataclass(frozen=True)
class Question:
    """What is decided next: an option of a row, or an edge of a node that goes.

    Args:
        group: Group of logits.
        row: The row whose option is chosen; None where an edge goes.
        candidates: Options of the row, or rows of the edges that enter the node.
    """

    group: str
    row: int | None
    candidates: tuple[int, ...]


class Removal(Selection):
    """Discretises a trained supernet decision by decision, by how much the removal of an option hurts the validation loss.

    After the search, rows of logits are decided in random order, one of every group at a time: each option is taken out in
    turn, the loss of the architecture half is taken with the statistics of its batches, and the option stays without which it
    is highest. Of the edges into a node of a cell the one goes whose removal leaves the loss lowest, until as many are left
    as the space keeps. Between decisions weights and logits are trained on, with a lower learning rate of the weights.

    The criterion is the loss, one of the two of the authors' code, as every task has one. ``none`` is an option only where
    architectures may have it.

    Args:
        tune_epochs: Epochs of training from one decision to the next.
        rate: The weights' learning rates are those of the task times this.
        batches: Of the architecture half on which an option is judged; all if None.
        trains_logits: Whether the search before trains logits. False: they stay where they start, almost equal.
        seed: Of the order of the decisions.

    Attributes:
        decided: Group -> row -> option.
        removed: Group -> rows of edges that are gone.
        asked: What is taken out at the moment, as group, row, and option or None for the edge.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> supernet, removal = NasBench201(channels=4, cells=1).supernet(), Removal()
        >>> removal.attach(supernet)
        >>> removal.steps, removal.questions(0)[0].candidates
        (6, (0, 1, 2, 3, 4))
    """

    def __init__(
        self,
        *,
        tune_epochs: int = 5,
        rate: float = 0.1,
        batches: int | None = None,
        trains_logits: bool = True,
        seed: int = 0,
    ) -> None:
        for name, value in (("tune_epochs", tune_epochs), ("batches", 1 if batches is None else batches)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"select.{name} must be a whole number of at least 1, got {value!r}")
        check_between("select.rate", rate, 0, open_low=True)
        self.tune_epochs, self.rate, self.batches, self.trains_logits = tune_epochs, rate, batches, trains_logits
        self.seed = seed
        self.decided: dict[str, dict[int, int]] = {}
        self.removed: dict[str, list[int]] = {}
        self.asked: tuple[str, int, int | None] | None = None
        self._plan: list[list[Question]] = []

    # ---- what is asked, step by step ------------------------------------------------------------------------------------

    def attach(self, supernet: Supernet) -> None:
        """Plans the decisions of a supernet."""
        generator = torch.Generator().manual_seed(self.seed)
        kept, nodes = supernet.edges_kept(), supernet.nodes()
        rows: dict[str, list[Question]] = {}
        for group, logits in supernet.logits.items():
            candidates = _allowed(supernet.space, group, logits.shape[1])
            order = torch.randperm(len(logits), generator=generator).tolist()
            rows[group] = [Question(group, row, candidates) for row in order]
            entering = [node for node in nodes.get(group, ()) if group in kept and len(node) > kept[group]]
            for node in torch.randperm(len(entering), generator=generator).tolist():
                edges = tuple(entering[node])
                rows[group] += [Question(group, None, edges)] * (len(edges) - kept[group])
        longest = max(len(questions) for questions in rows.values())
        self._plan = [[q[step] for q in rows.values() if step < len(q)] for step in range(longest)]

    @property
    def steps(self) -> int:
        """Number of steps, in each of which every group has one decision at most."""
        return len(self._plan)

    @property
    def epochs(self) -> int:
        """Of the training in which all is decided: a decision at the start of every ``tune_epochs``-th."""
        return (self.steps - 1) * self.tune_epochs + 1

    @property
    def losses(self) -> int:
        """How many losses are taken for all decisions: an option or an edge that is the only one is not judged."""
        total = 0
        edges: dict[tuple[str, tuple[int, ...]], int] = {}
        for question in (question for step in self._plan for question in step):
            key = (question.group, question.candidates)
            gone = edges.get(key, 0) if question.row is None else 0
            left = len(question.candidates) - gone
            total += left if left > 1 else 0
            if question.row is None:
                edges[key] = gone + 1
        return total

    def questions(self, step: int) -> Sequence[Question]:
        """What is decided in a step."""
        return self._plan[step]

    def removals(self, question: Question) -> list[tuple[str, int, int | None]]:
        """What is to be taken out in turn, as :attr:`asked`."""
        if question.row is not None:
            return [(question.group, question.row, option) for option in question.candidates]
        gone = self.removed.get(question.group, [])
        return [(question.group, edge, None) for edge in question.candidates if edge not in gone]

    def answer(self, question: Question, losses: Sequence[float]) -> None:
        """Decides.

        Args:
            question: What was asked.
            losses: For each of :meth:`removals` the loss without it.
        """
        removals = self.removals(question)
        if question.row is None:
            _, edge, _ = removals[losses.index(min(losses))]
            self.removed.setdefault(question.group, []).append(edge)
            return
        _, row, option = removals[losses.index(max(losses))]
        assert option is not None
        self.decided.setdefault(question.group, {})[row] = option

    # ---- what follows ---------------------------------------------------------------------------------------------------

    def applied(self, name: str, weights: OptionWeights) -> OptionWeights:
        """The weights of a group, with what was decided and without what is taken out."""
        decided, removed = self.decided.get(name, {}), self.removed.get(name, [])
        asked = self.asked if self.asked is not None and self.asked[0] == name else None
        if not decided and not removed and asked is None:
            return weights
        rows = list(weights.values.unbind())
        active = [tuple(range(len(row))) for row in rows] if weights.active is None else list(weights.active)
        for row, option in decided.items():
            rows[row] = _one_hot(rows[row], option) + 0 * rows[row]  # still a function of the logits
            active[row] = (option,)
        for row in [*removed, *([asked[1]] if asked is not None and asked[2] is None else [])]:
            rows[row], active[row] = torch.zeros_like(rows[row]), ()
        if asked is not None and asked[2] is not None:
            _, row, gone = asked
            rows[row] = rows[row] * (1 - _one_hot(rows[row], gone))
            active[row] = tuple(o for o in active[row] if o != gone)
        return OptionWeights(torch.stack(rows), tuple(active), weights.shares)

    def choose(self, space: SearchSpace, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """What was decided, and the strongest of what was not."""
        kept = {}
        for name, group in strengths.items():
            kept[name] = group = group.detach().clone()
            for row, option in self.decided.get(name, {}).items():
                group[row] = _one_hot(group[row], option)
            group[self.removed.get(name, [])] = 0
        return space.decode_strengths(kept)

    def state_dict(self) -> dict[str, Any]:
        """What was decided."""
        decided = {name: dict(rows) for name, rows in self.decided.items()}
        return {"decided": decided, "removed": {name: list(rows) for name, rows in self.removed.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes it back."""
        self.decided = {name: dict(rows) for name, rows in state["decided"].items()}
        self.removed = {name: list(rows) for name, rows in state["removed"].items()}


def _allowed(space: SearchSpace, group: str, count: int) -> tuple[int, ...]:
    """The options of a group that architectures may have."""
    names = names_of(space, group, count)
    with_none = any(NONE in space.all_options(decision) for decision in space.decisions)
    return tuple(index for index in range(count) if with_none or not names or names[index] != NONE)


def _one_hot(like: Tensor, option: int | None) -> Tensor:
    row = torch.zeros_like(like, requires_grad=False)
    if option is not None:
        row[option] = 1.0
    return row

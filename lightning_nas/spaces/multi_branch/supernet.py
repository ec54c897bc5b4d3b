"""The supernet of the multi-branch space."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.multi_branch.blocks import MixedBlock, Row, candidate
from lightning_nas.spaces.multi_branch.network import Body
from lightning_nas.spaces.multi_branch.space import GROUPED, MultiBranch
from lightning_nas.spaces.option_weights import OptionWeights, Paths, strongest
from lightning_nas.spaces.supernet import Supernet

KIND, BRANCHES, CARDINALITY = "kind", "branches", "cardinality"
"""Names of the groups of logits."""


class MultiBranchSupernet(Supernet, space=MultiBranch):
    """The supernet.

    Logits: ``kind``, one row per branch of every block; ``branches`` and ``cardinality``, one row per block, where there is a
    choice.
    """

    def __init__(self, space: MultiBranch, generator: torch.Generator | None = None) -> None:
        blocks = len(space.blocks)
        groups = {
            KIND: (blocks * max(space.branches), len(space.ops)),
            BRANCHES: (blocks, len(space.branches)),
            CARDINALITY: (blocks, len(space.cardinalities) if space.grouped else 1),
        }
        super().__init__({name: shape for name, shape in groups.items() if shape[1] > 1}, generator)
        self.space = space
        self.body = Body(space, lambda index, *shape: MixedBlock(space, *shape))
        self.feature_info = self.body.feature_info.within("body")

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        weights = self.option_weights()
        most = max(self.space.branches)
        only = Row(x.new_ones(1), None)  # of a branch that can be of one kind
        inputs: list[tuple[object, ...]] = []
        for block in range(len(self.space.blocks)):
            kinds = [_row(weights.get(KIND), block * most + branch) or only for branch in range(most)]
            inputs.append((kinds, _row(weights.get(BRANCHES), block), _row(weights.get(CARDINALITY), block)))
        return self.body(x, inputs), None

    @staticmethod
    def decode(space: MultiBranch, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest option of every decision that is active then; ties go to the lower index."""
        choices: dict[str, Option] = {}
        most = max(space.branches)
        for name in space.decisions:
            options = space.options(name, choices)
            if not options:
                continue
            block_name, _, what = name.rpartition(".")
            block = space.block_numbers[block_name]
            group, row = (
                (KIND, block * most + int(what.removeprefix("kind"))) if what.startswith("kind") else (what, block)
            )
            choices[name] = options[strongest(logits[group][row])]
        return choices

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The options that an architecture uses; none for branches that a block has not, or groups that it does not use."""
        paths: dict[str, list[tuple[int, ...]]] = {name: [] for name in (KIND, BRANCHES, CARDINALITY)}
        for ops, cardinality in self.space.genes(choices):
            kinds = [(self.space.ops.index(name),) for name in ops]
            paths[KIND] += [*kinds, *[()] * (max(self.space.branches) - len(ops))]
            paths[BRANCHES].append((self.space.branches.index(len(ops)),))
            uses = any(name in GROUPED for name in ops)
            paths[CARDINALITY].append((self.space.cardinalities.index(cardinality),) if uses else ())
        return {name: tuple(path) for name, path in paths.items() if name in self.logits}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """A branch is one of the candidates of that branch here."""
        sources = {}
        for (stage, place), (ops, cardinality) in zip(self.space.blocks, self.space.genes(choices), strict=True):
            for branch, name in enumerate(ops):
                own = cardinality if name in GROUPED else self.space.cardinalities[0]
                found = f"body.stages.{stage}.{place}.branches.{branch}"
                sources[found] = f"{found}.candidates.{candidate(name, own)}"
        return sources


def _row(weights: OptionWeights | None, edge: int) -> Row | None:
    if weights is None:
        return None
    return Row(weights.values[edge], None if weights.active is None else weights.active[edge])

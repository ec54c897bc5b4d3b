"""What gradient strategies ask a supernet about its mixed operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_nas.architecture import Option
from lightning_nas.spaces.option_weights import Mixed
from lightning_nas.spaces.pieces import Pieces


class MixedParts:
    """The nodes, edges and mixed operations of a supernet, and decoding by strengths; a space says more where it can."""

    @staticmethod
    def decode(space: Any, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture that the logits point to."""
        raise NotImplementedError

    @classmethod
    def decode_strengths(cls, space: Any, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture that some strengths point to, by the same rule.

        Args:
            space: The search space.
            strengths: Group -> ``(edges, options)``, at least 0. They need not sum to 1: where edges compete, those of one
                edge are compared with those of another as they are.
        """
        return cls.decode(space, {name: group.clamp_min(1e-30).log() for name, group in strengths.items()})

    def nodes(self) -> dict[str, tuple[range, ...]]:
        """Per group the rows of the edges that enter each node, of groups whose edges are summed up in nodes."""
        return {}

    def edges_kept(self) -> dict[str, int]:
        """Of these groups, those in which a found network keeps fewer edges into a node: how many."""
        return {}

    def mixed(self) -> list[Mixed]:
        """All mixed operations, with the rows of the logits that weigh their options; none if a space does not say."""
        return []

    def priced(self) -> list[Mixed | Pieces]:
        """Everything whose cost depends on choices: the mixed operations, if a space does not say more.

        Each has a method ``counts``: probabilities of all groups -> how often a network holds each option or piece on average.
        """
        return [*self.mixed()]

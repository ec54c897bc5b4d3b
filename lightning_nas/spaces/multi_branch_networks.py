"""Fixed network and supernet of the multi-branch space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.spaces.multi_branch_parts import GROUPED, build_branch, conv_bn_relu
from lightning_nas.spaces.supernet import OptionWeights, Paths, Supernet

if TYPE_CHECKING:
    from lightning_nas.spaces.multi_branch import MultiBranch

KIND, BRANCHES, CARDINALITY = "kind", "branches", "cardinality"
"""Names of the groups of logits."""


class BlockGenes(NamedTuple):
    """What was chosen for a block: the branches, and the groups of their grouped convolutions."""

    ops: tuple[str, ...]
    cardinality: int


class Row(NamedTuple):
    """Weights of the options of one decision, and the indices of those to compute (None: all)."""

    values: Tensor
    active: tuple[int, ...] | None

    def wanted(self) -> Sequence[int]:
        """The indices of the options to compute."""
        return range(len(self.values)) if self.active is None else self.active


class Block(nn.Module):
    """``relu(norm(sum_i join_i(branch_i(x))) + shortcut(x))``.

    The sum of 1x1 convolutions of the branches is the 1x1 convolution of their concatenation (Xie et al. 2017, arXiv
    1611.05431, figure 3): this is the form in which every branch keeps its own part of the kernel.

    Args:
        branches: Modules that give ``channels`` channels each.
        in_channels: Channels of the input.
        channels: Channels of the branches.
        out_channels: Channels of the output.
        stride: Stride of the branches.
    """

    def __init__(
        self, branches: Sequence[nn.Module], in_channels: int, channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.joins = nn.ModuleList(nn.Conv2d(channels, out_channels, 1, bias=False) for _ in branches)
        self.norm = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        return self.merge(x, [join(branch(x)) for branch, join in zip(self.branches, self.joins, strict=True)])

    def merge(self, x: Tensor, terms: Sequence[Tensor]) -> Tensor:
        """The joined branches, their sum normalised, and the shortcut."""
        joined = torch.stack(list(terms)).sum(dim=0) if len(terms) > 1 else terms[0]
        return nn.functional.relu(self.norm(joined) + self.shortcut(x))


class MixedBranch(nn.Module):
    """All that a branch can be: ``sum_k kind_k * branch_k(x)``; if that has groups, ``branch_k = sum_c card_c * branch_kc``."""

    def __init__(self, space: MultiBranch, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.ops, self.cardinalities = space.ops, space.cardinalities
        self.candidates = nn.ModuleDict(
            {
                candidate(name, cardinality): build_branch(
                    name, in_channels, channels, stride, cardinality, affine=False
                )
                for name in space.ops
                for cardinality in (space.cardinalities if name in GROUPED else space.cardinalities[:1])
            }
        )

    def forward(self, x: Tensor, kind: Row, cardinality: Row | None) -> Tensor:
        """``(B, in_channels, H, W) -> (B, channels, ceil(H/stride), ceil(W/stride))``; at least one kind is active."""
        terms = []
        for index in kind.wanted():
            name = self.ops[index]
            if cardinality is None or name not in GROUPED:
                terms.append(kind.values[index] * self.candidates[candidate(name, self.cardinalities[0])](x))
                continue
            for own in cardinality.wanted():
                out = self.candidates[candidate(name, self.cardinalities[own])](x)
                terms.append(kind.values[index] * cardinality.values[own] * out)
        return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


class MixedBlock(Block):
    """A block of mixed branches. ``sum_n w_n * sum_{i<n} term_i``: branch i weighs what all larger numbers weigh."""

    def __init__(self, space: MultiBranch, in_channels: int, channels: int, out_channels: int, stride: int) -> None:
        branches = [MixedBranch(space, in_channels, channels, stride) for _ in range(max(space.branches))]
        super().__init__(branches, in_channels, channels, out_channels, stride)
        self.numbers = space.branches

    def forward(  # type: ignore[override]
        self, x: Tensor, kinds: Sequence[Row], number: Row | None, cardinality: Row | None
    ) -> Tensor:
        """As a block, with a row of weights per branch, and one each for their number and cardinality, if searched."""
        wanted = {len(self.branches): None} if number is None else {self.numbers[i]: i for i in number.wanted()}
        terms = []
        for index in range(max(wanted)):
            term = self.joins[index](self.branches[index](x, kinds[index], cardinality))
            if number is not None:
                larger = [i for n, i in wanted.items() if n > index and i is not None]
                term = number.values[larger].sum() * term
            terms.append(term)
        return self.merge(x, terms)


class Body(nn.Module):
    """Stem and stages; returns the last map of every resolution.

    Args:
        space: The space.
        build: Index of a block among all, channels of its input, of its branches, of its output, and stride -> the block.
    """

    def __init__(self, space: MultiBranch, build: Callable[[int, int, int, int, int], nn.Module]) -> None:
        super().__init__()
        step = (space.stem_stride, space.stem_stride)
        self.stem = nn.Sequential(*conv_bn_relu(space.in_channels, space.stem_channels, (3, 3), step, affine=True))
        self.stages = nn.ModuleList()
        self._taken: set[int] = set()  # stages whose input is the last map of its resolution
        levels: list[FeatureLevel] = []
        current, index = FeatureLevel(space.stem_channels, space.stem_stride, "stem"), 0
        shapes = zip(space.widths, space.branch_channels, space.depths, space.strides, strict=True)
        for stage, (width, channels, depth, stride) in enumerate(shapes):
            if stride == 2:
                levels.append(current)
                self._taken.add(stage)
            blocks = []
            for place in range(depth):
                before = width if place else current.channels
                blocks.append(build(index, before, channels, width, 1 if place else stride))
                index += 1
            self.stages.append(nn.ModuleList(blocks))
            current = FeatureLevel(width, current.reduction * stride, f"stages.{stage}.{depth - 1}")
        self.feature_info = FeatureInfo((*levels, current))

    def forward(self, x: Tensor, weights: Sequence[tuple[object, ...]] | None = None) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`; ``weights`` go to the blocks."""
        features, index = [], 0
        x = self.stem(x)
        for number, stage in enumerate(self.stages):
            if number in self._taken:
                features.append(x)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, *(weights[index] if weights else ()))
                index += 1
        return [*features, x]


class MultiBranchNetwork(Backbone):
    """A found network; ``genes`` are those of its blocks, stage by stage."""

    def __init__(self, space: MultiBranch, genes: Sequence[BlockGenes]) -> None:
        super().__init__()

        def build(index: int, before: int, channels: int, width: int, stride: int) -> nn.Module:
            ops, cardinality = genes[index]
            branches = [build_branch(name, before, channels, stride, cardinality) for name in ops]
            return Block(branches, before, channels, width, stride)

        self.body = Body(space, build)
        self.feature_info = self.body.feature_info.within("body")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.body(x), None


class MultiBranchSupernet(Supernet):
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


def candidate(name: str, cardinality: int) -> str:
    """Name of a candidate in the supernet."""
    return f"{name}_g{cardinality}" if name in GROUPED else name


def _row(weights: OptionWeights | None, edge: int) -> Row | None:
    if weights is None:
        return None
    return Row(weights.values[edge], None if weights.active is None else weights.active[edge])

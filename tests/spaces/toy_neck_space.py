"""A neck space for tests: one convolution per level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lightning_nas.ops import build_op
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces import Backbone, FeatureInfo, FeatureLevel, SearchSpace, Supernet


@dataclass(frozen=True)
class ToyNeck(SearchSpace):
    """Brings every level to the same width, then applies a searched operation to it."""

    name: ClassVar[str] = "toy_neck"
    role: ClassVar[str] = "neck"

    width: int = 4
    levels: int = 2
    ops: tuple[str, ...] = ("skip_connect", "nor_conv_3x3")

    def __post_init__(self):
        object.__setattr__(self, "ops", tuple(self.ops))

    @property
    def decisions(self):
        return tuple(f"level{i}" for i in range(self.levels))

    def options(self, name, choices) -> Sequence[str]:
        return list(self.ops)

    def network(self, choices, *, inputs=None):
        self.validate(choices)
        ops = [build_op(choices[name], self.width, self.width) for name in self.decisions]
        return ToyNeckNetwork(self, inputs, ops)

    def supernet(self, *, inputs=None, generator=None):
        return ToyNeckSupernet(self, inputs, generator)

    def decode(self, logits: Mapping):
        return {name: self.ops[int(row.argmax())] for name, row in zip(self.decisions, logits["levels"], strict=True)}


class Laterals(nn.Module):
    def __init__(self, space, inputs):
        super().__init__()
        levels = list(inputs)[-space.levels :]
        self.convs = nn.ModuleList(nn.Conv2d(level.channels, space.width, 1) for level in levels)
        self.info = FeatureInfo(
            FeatureLevel(space.width, level.reduction, f"ops.{i}") for i, level in enumerate(levels)
        )

    def forward(self, features):
        return [conv(x) for conv, x in zip(self.convs, features[-len(self.convs) :], strict=True)]


class ToyNeckNetwork(Backbone):
    def __init__(self, space, inputs, ops):
        super().__init__()
        self.laterals = Laterals(space, inputs)
        self.ops = nn.ModuleList(ops)
        self.feature_info = self.laterals.info

    def forward_auxiliary(self, x):
        return [op(y) for op, y in zip(self.ops, self.laterals(x), strict=True)], None


class ToyNeckSupernet(Supernet):
    def __init__(self, space, inputs, generator):
        super().__init__({"levels": (space.levels, len(space.ops))}, generator)
        self.space = space
        self.laterals = Laterals(space, inputs)
        self.ops = nn.ModuleList(MixedOp(space.ops, space.width, 1) for _ in range(space.levels))
        self.feature_info = self.laterals.info

    def forward_auxiliary(self, x):
        weights = self.option_weights()["levels"]
        active = weights.active or [None] * len(self.ops)
        maps = zip(self.ops, self.laterals(x), weights.values, active, strict=True)
        return [op(y, row, some) for op, y, row, some in maps], None

    def path(self, choices):
        self.space.validate(choices)
        return {"levels": tuple((self.space.ops.index(choices[name]),) for name in self.space.decisions)}

    def module_sources(self, choices):
        return {
            f"ops.{i}": f"ops.{i}.candidates.{self.space.ops.index(choices[name])}"
            for i, name in enumerate(self.space.decisions)
        }

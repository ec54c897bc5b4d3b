"""The elastic space: all the smaller networks inside a well-known one, and larger kernels where asked for.

Sources: Cai et al. 2020, "Once-for-All", arXiv 1908.09791 (kernel, expansion and depth by slicing); Yu et al. 2020, "BigNAS",
arXiv 2003.11142 (width).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lightning_nas.architecture import Architecture, Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_whole, lists_to_tuples
from lightning_nas.spaces.elastic.families import trunk_of
from lightning_nas.spaces.elastic.trunk import Block, Trunk, share

FAMILY = (75, 50)
"""Percent of the channels of the usual smaller relatives of a network."""


@dataclass(frozen=True)
class Elastic(SearchSpace):
    """The networks inside a seed network, whose weights one supernet shares by slicing.

    Decisions: ``width``, the percentage of the seed's channels that the whole network has; per stage ``s``
    ``stage{s}.depth``, how many of its blocks there are, from the first; per block ``l`` of it ``stage{s}.{l}.kernel`` and
    ``stage{s}.{l}.expansion``, the percentage of the seed's channels inside the block. Channels are rounded to a multiple of 8.
    Where there is no choice there is no decision, and those of a block that is left out are inactive.

    The largest network is the seed, with larger kernels where ``kernels`` names some. There are no logits: the supernet is
    trained on its paths.

    Args:
        seed: Name of the network, see :func:`~lightning_nas.spaces.elastic.families.seed_names`: torchvision's or timm's.
        kernels: Odd kernel sizes that every block may have besides its own.
        expansions: Percentages of the channels inside a block, besides all of them.
        depths: Numbers of blocks that a stage may have besides all of them.
        widths: Percentages of all channels, besides all of them.
        in_channels: Channels of the image.
        kernel_transform: Whether smaller kernels are learnt maps of the centre of larger ones, as in Once-for-All, or those
            centres themselves.

    Raises:
        ValueError: If there is no such seed, or an argument is out of range.

    Example:
        >>> space = Elastic("mobilenet_v2")
        >>> space.decisions[:3], space.options("stage1.0.expansion", {})
        (('stage1.0.expansion', 'stage1.1.expansion', 'stage2.depth'), [50, 75, 100])
        >>> space.largest()["stage2.depth"], space.smallest()["stage2.depth"]
        (3, 2)
    """

    name: ClassVar[str] = "elastic"

    seed: str = "mobilenet_v2"
    kernels: tuple[int, ...] = (3,)
    expansions: tuple[int, ...] = (50, 75)
    depths: tuple[int, ...] = (2, 3)
    widths: tuple[int, ...] = ()
    in_channels: int = 3
    kernel_transform: bool = True

    def __post_init__(self) -> None:
        lists_to_tuples(self, "kernels", "expansions", "depths", "widths")
        if not isinstance(self.seed, str):
            raise ArgumentError(f"seed must be the name of a network, got {self.seed!r}")
        trunk_of(self.seed)
        check_whole(
            self, kernels=(1, 31), expansions=(10, 100), depths=(1, 100), widths=(10, 100), in_channels=(1, 4096)
        )
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ArgumentError(f"kernels must be odd, got {self.kernels!r}")
        if not isinstance(self.kernel_transform, bool):
            raise ArgumentError(f"kernel_transform must be true or false, got {self.kernel_transform!r}")

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def trunk(self) -> Trunk:
        """The structure of the seed."""
        return trunk_of(self.seed)

    @property
    def channels_follow_choices(self) -> bool:  # type: ignore[override]
        """Whether the channels of the maps do: where the width is searched."""
        return len(self._every_option["width"]) > 1

    @property
    def published_weights(self) -> str:
        """The seed's name."""
        return self.seed

    @property
    def mixes(self) -> bool:
        """False: there are no logits."""
        return False

    @cached_property
    def _every_option(self) -> dict[str, list[int]]:
        """The options of what may be decided, smallest first; of one alone there is no decision."""
        found = {"width": _and_own(self.widths, 100)}
        for stage, blocks in enumerate(self.trunk.stages):
            found[f"stage{stage}.depth"] = _and_own((d for d in self.depths if d < len(blocks)), len(blocks))
            for layer, block in enumerate(blocks):
                found[f"stage{stage}.{layer}.kernel"] = _and_own(self.kernels, block.kernel)
                shares = _and_own(self.expansions, 100) if block.expands else [100]
                widths = {share(block.middle, percent): percent for percent in shares}  # of equal ones the largest
                found[f"stage{stage}.{layer}.expansion"] = sorted(widths.values())
        return found

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Width, then stage by stage its depth and the kernels and expansions of its blocks, where there is a choice."""
        return tuple(name for name, options in self._every_option.items() if len(options) > 1)

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The options of a decision, smallest first; none of a block that is left out. A depth not yet chosen is full."""
        stage, _, rest = name.partition(".")
        layer, _, what = rest.partition(".")
        if what and int(layer) >= self._value(f"{stage}.depth", choices):
            return []
        return list(self._every_option[name])

    def _value(self, name: str, choices: Choices) -> int:
        """What was decided; the largest option where nothing was."""
        return int(choices.get(name, self._every_option[name][-1]))

    def size(self) -> int:
        """Number of architectures: per stage the sum over its depths."""
        result = len(self._every_option["width"])
        for stage, blocks in enumerate(self.trunk.stages):
            per_block = [
                len(self._every_option[f"stage{stage}.{layer}.kernel"])
                * len(self._every_option[f"stage{stage}.{layer}.expansion"])
                for layer in range(len(blocks))
            ]
            result *= sum(math.prod(per_block[:depth]) for depth in self._every_option[f"stage{stage}.depth"])
        return result

    def state(self, choices: Choices) -> Hashable:
        """The last decision, its option, and the depth of its stage, on which the next ones depend."""
        if not choices:
            return None
        last = list(choices)[-1]
        return last, choices[last], choices.get(f"{last.partition('.')[0]}.depth")

    def canonical(self, choices: Choices) -> str:
        """Its channels, kernels and strides: small widths may be rounded to the same ones."""
        trunk = self.plan(choices)
        blocks = (f"{b.middle}x{b.kernel}-{b.out}" for stage in trunk.stages for b in stage)
        return ";".join((str(trunk.stem), *blocks, str([len(stage) for stage in trunk.stages])))

    def largest(self) -> dict[str, Option]:
        """The largest option of everything."""
        return {name: self._every_option[name][-1] for name in self.decisions}

    def smallest(self) -> dict[str, Option]:
        """The smallest option of everything that is then active."""
        choices: dict[str, Option] = {}
        for name in self.decisions:
            options = self.options(name, choices)
            if options:
                choices[name] = options[0]
        return choices

    def family(self) -> dict[str, Architecture]:
        """The seed as it is, and with :data:`FAMILY` percent of its channels everywhere."""
        whole = dataclasses.replace(self, kernels=(), expansions=(), depths=(), widths=FAMILY)
        members = {f"{self.seed} at {percent} %": whole.architecture({"width": percent}) for percent in FAMILY}
        return {self.seed: whole.architecture(whole.largest()), **members}

    # ---- the network that follows -------------------------------------------------------------------------------

    def plan(self, choices: Choices) -> Trunk:
        """What the network of some choices looks like."""
        width = self._value("width", choices)
        stem = share(self.trunk.stem, width)
        inputs, stages = stem, []
        for stage, blocks in enumerate(self.trunk.stages):
            kept: list[Block] = []
            for layer, block in enumerate(blocks[: self._value(f"stage{stage}.depth", choices)]):
                inside = share(block.middle, self._value(f"stage{stage}.{layer}.expansion", choices))
                kernel = self._value(f"stage{stage}.{layer}.kernel", choices)
                out = share(block.out, width)
                middle = share(inside, width) if block.expands else inputs
                kept.append(dataclasses.replace(block, kernel=kernel, middle=middle, out=out))
                inputs = out
            stages.append(tuple(kept))
        return dataclasses.replace(self.trunk, stem=stem, stages=tuple(stages))

    def kernel_options(self, stage: int, layer: int) -> list[int]:
        """The kernels that a block may have, smallest first."""
        return self._every_option[f"stage{stage}.{layer}.kernel"]


def _and_own(values: Iterable[int], own: int) -> list[int]:
    return sorted({*values, own})

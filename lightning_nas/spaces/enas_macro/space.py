"""The macro search space of ENAS: the whole network, layer by layer, with skips between all layers.

Source: Pham et al. 2018, "Efficient Neural Architecture Search via Parameter Sharing", arXiv 1802.03268, section 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_even, check_one_of, check_operations, check_switches, check_whole

ENAS_MACRO_OPS = (
    "enas_conv_3x3",
    "enas_sep_conv_3x3",
    "enas_conv_5x5",
    "enas_sep_conv_5x5",
    "enas_avg_pool_3x3",
    "enas_max_pool_3x3",
)
NO_YES = ("no", "yes")


@dataclass(frozen=True)
class EnasMacro(SearchSpace):
    """A row of layers; each reads the one before, and adds the outputs of any earlier ones to its own.

    Decisions of layer ``i``: ``layer.i.op``, its operation, and for every ``j < i`` ``layer.i.skip.j``, whether state ``j`` is
    added: state 0 is the output of the stem, state ``j`` that of layer ``j - 1``. Layer ``i`` always reads state ``i``.

    After a third and two thirds of the layers the resolution is halved and the channels are doubled, by a factorized
    reduction of every state that is read later.

    Args:
        channels: Channels of the first layers (36 to search; the paper's final network has 24 layers of 96).
        layers: Number of layers.
        in_channels: Channels of the image.
        ops: Candidate operations.
        stem: ``"cifar"``, a 3x3 convolution; ``"imagenet"`` has stride 8 before the first layer, for large images.
        doubling: Whether reductions double the channels; the released code keeps them while it searches.
        supernet_affine: Whether BatchNorm in the supernet's candidates has a learnable scale and shift; that of found
            networks has.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> EnasMacro().size() == 6**12 * 2**66
        True
    """

    name: ClassVar[str] = "enas_macro"

    channels: int = 36
    layers: int = 12
    in_channels: int = 3
    ops: tuple[str, ...] = ENAS_MACRO_OPS
    stem: Literal["cifar", "imagenet"] = "cifar"
    doubling: bool = True
    supernet_affine: bool = True

    def __post_init__(self) -> None:
        check_operations(self, without=("none",), because="every layer computes something")
        check_whole(self, channels=(2, 4096), layers=(3, 128), in_channels=(1, 4096))
        check_even(self, "channels", "reductions split them")
        check_one_of(self, stem=("cifar", "imagenet"))
        check_switches(self, "doubling", "supernet_affine")

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Layer by layer the operation and the skips."""
        return tuple(
            name
            for layer in range(self.layers)
            for name in (f"layer.{layer}.op", *(f"layer.{layer}.skip.{state}" for state in range(layer)))
        )

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """All operations, or no and yes; nothing depends on other decisions."""
        return list(self.ops if name.endswith(".op") else NO_YES)

    def layer_ops(self, choices: Choices) -> list[str]:
        """The operation of every layer."""
        return [str(choices[f"layer.{layer}.op"]) for layer in range(self.layers)]

    def layer_skips(self, choices: Choices) -> list[tuple[int, ...]]:
        """The states that every layer adds."""
        return [
            tuple(state for state in range(layer) if choices[f"layer.{layer}.skip.{state}"] == "yes")
            for layer in range(self.layers)
        ]

"""The space of NAS-Bench-Macro: chains of eight layers, all of which have been trained on CIFAR-10.

Source: Su et al. 2021, "Prioritized Architecture Sampling with Monte-Carlo Tree Search", arXiv 2103.11922, section 5.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.chain.space import Chain

MACRO_OPS = ("projection", "mbconv_k3_e3", "mbconv_k5_e6")


@dataclass(frozen=True)
class NasBenchMacro(Chain):
    """A :class:`Chain` in the size of NAS-Bench-Macro.

    Its notation has a digit per layer: 0 the identity (a 1x1 convolution where the shape changes), 1 an inverted residual
    with kernel 3 and expansion 3, 2 one with kernel 5 and expansion 6. Networks with the same blocks in a stage, and
    identities at other places between them, compute the same function.

    The blocks here have ReLU6 as all of this library, those of the paper ReLU.

    Args:
        stem_channels: Channels after the 3x3 stem convolution.
        stem_stride: Its stride.
        first_channels: Channels of a fixed block that follows; 0 for none.
        widths: Channels of the stages.
        depths: Layers of every stage.
        strides: Stride of every stage.
        min_depth: As many as the deepest stage has: the depth is not searched.
        head_channels: Channels of the closing 1x1 convolution.
        in_channels: Channels of the image.
        ops: Candidate operations of a layer.
        output_stride: As of :class:`Chain`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = NasBenchMacro()
        >>> space.to_text(space.from_text("01201201")), space.canonical(space.from_text("01201201"))
        ('01201201', '01210210')
    """

    name: ClassVar[str] = "nasbench_macro"

    stem_stride: int = 1
    first_channels: int = 0
    widths: tuple[int, ...] = (64, 128, 256)
    depths: tuple[int, ...] = (2, 3, 3)
    strides: tuple[int, ...] = (2, 2, 2)
    min_depth: int = 3
    head_channels: int = 1280
    ops: tuple[str, ...] = MACRO_OPS

    def to_text(self, choices: Choices) -> str:
        """A digit per layer.

        Raises:
            ArchitectureError: If the choices do not belong to the space.
        """
        self.validate(choices)
        return "".join(str(self.ops.index(str(choices[name]))) for name in self.decisions)

    def from_text(self, text: str) -> dict[str, Option]:
        """Reads :meth:`to_text`'s notation.

        Raises:
            ArchitectureError: If the text is not an architecture of this space.
        """
        digits = [str(index) for index in range(len(self.ops))]
        if len(text) != len(self.decisions) or any(digit not in digits for digit in text):
            raise ArchitectureError(
                f"{self.name}: expected {len(self.decisions)} digits of 0 to {len(self.ops) - 1}, got {text[:50]!r}"
            )
        return {name: self.ops[int(digit)] for name, digit in zip(self.decisions, text, strict=True)}

    def canonical(self, choices: Choices) -> str:
        """The notation with the identities of every stage behind its other layers, the first one in its place."""
        text, result = iter(self.to_text(choices)), ""
        for depth in self.depths:
            first, *rest = itertools.islice(text, depth)
            result += first + "".join(sorted(rest, key=_is_identity))
        return result


def _is_identity(digit: str) -> bool:
    return digit == "0"

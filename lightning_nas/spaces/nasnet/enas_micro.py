"""The micro search space of ENAS: cells of the NASNet kind, closed by a 1x1 convolution.

Source: Pham et al. 2018, "Efficient Neural Architecture Search via Parameter Sharing", arXiv 1802.03268, section 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lightning_nas.spaces.nasnet.space import NasNet

ENAS_MICRO_OPS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")


@dataclass(frozen=True)
class EnasMicro(NasNet):
    """Cells of computed nodes that add two operations each; decisions and arguments are those of :class:`NasNet`.

    Other than there, the concatenation of the unread states goes through ReLU, a 1x1 convolution and BatchNorm. In the
    supernet that convolution has a slice of weights for every state, and a path uses those of its unread ones. So every
    cell has as many channels as a state, and its inputs are projected only where size or channels differ.

    A reduction cell is the same with stride 2 for the operations on its inputs, as the paper says; in the released code
    the shared weights are trained with a factorized reduction in front of a cell of stride 1 instead.

    The defaults are the network of the search: 6 normal cells, 2 reductions, 20 filters.

    Example:
        >>> space = EnasMicro()
        >>> len(space.decisions), len(space.ops)
        (40, 5)
    """

    name: ClassVar[str] = "enas_micro"
    levels_follow_choices: ClassVar[bool] = False
    closed: ClassVar[bool] = True

    channels: int = 20
    cells: int = 8
    ops: tuple[str, ...] = ENAS_MICRO_OPS
    supernet_affine: bool = True

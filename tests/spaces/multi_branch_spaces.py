"""Two multi-branch spaces, one of which is small enough to be enumerated."""

from lightning_nas.spaces import MultiBranch

ARGUMENTS = {
    "stem_channels": 4,
    "stem_stride": 1,
    "widths": (6, 8),
    "branch_channels": (4, 8),
    "depths": (1, 1),
    "strides": (1, 2),
    "branches": (1, 2),
    "cardinalities": (1, 2, 4),
}
SMALL = MultiBranch(**ARGUMENTS)
FEW = MultiBranch(**{**ARGUMENTS, "widths": (6,), "branch_channels": (4,), "depths": (2,), "strides": (1,)}).args
FEW = MultiBranch(**{**FEW, "ops": ("conv_1x1", "conv_3x3", "pool_1x1"), "branches": (1, 3), "cardinalities": (1, 2)})

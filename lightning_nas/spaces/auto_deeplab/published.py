"""The architecture that Auto-DeepLab's paper found (Liu et al. 2019, arXiv 1901.02985)."""

from __future__ import annotations

from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.spaces.auto_deeplab.space import AutoDeepLab

PUBLISHED = {
    "cell": ((0, 7), (1, 4), (2, 4), (3, 6), (5, 4), (8, 4), (11, 5), (13, 5), (17, 5), (19, 7)),
    "path": (0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1),
}
"""What the paper found on Cityscapes (its figure 3), in the notation of :meth:`AutoDeepLab.from_genotype`."""


def published_auto_deeplab(**space_args: Any) -> Architecture:
    """The architecture that the paper found, with 20 channels (Auto-DeepLab-S) if not told otherwise.

    With a DeepLab head of 256 channels for 19 classes, S, M and L have 10,147,427, 21,622,451 and 44,424,691 parameters, as in
    the paper's table 2. Their multiply-adds, counted as everywhere here (convolutions, of one image of 1024 x 2048), are
    4.7, 5.6 and 6.0 % below the table's 333.25, 460.93 and 695.03 G, because the table counts otherwise. The paper does not
    say how; half of the operations that TensorFlow's profiler counts in the released evaluation comes to it within 0.03 %.
    In G::

                                                                         S       M       L
        stem                                                         29.90   29.90   29.90
        cells                                                        59.55  148.43  328.95
        1x1 convolution on the map of stride 4                        0.63    1.01    1.51
        atrous spatial pyramid pooling                               57.71   85.90  123.48
        decoder                                                     169.75  169.75  169.75
        sum                                                         317.54  434.99  653.58

        the same for 1025 x 2049, the crop of the evaluation        320.45  439.92  662.42
        atrous convolutions: TensorFlow's maps, padded to the rate  + 7.42  +12.42  +19.71
        image pooling: windows of 97 x 97 slide over 129 x 257      + 5.27  + 8.43  +12.65
        additions of the blocks                                     + 0.04  + 0.06  + 0.09
        sum                                                         333.18  460.83  694.88

    The pooling windows are those of a training crop of 769 at stride 8, which the released code slides over a larger image;
    the head here averages the whole map, which is the same in training.

    Args:
        **space_args: Arguments of :class:`AutoDeepLab`: ``channels=32`` is the paper's M, 48 its L.
    """
    space = AutoDeepLab(**{"channels": 20, **space_args})
    provenance = {"published": "auto_deeplab", "source": "Liu et al. 2019, arXiv 1901.02985, Cityscapes"}
    return space.architecture(space.from_genotype(PUBLISHED["cell"], PUBLISHED["path"]), provenance)  # type: ignore[arg-type]

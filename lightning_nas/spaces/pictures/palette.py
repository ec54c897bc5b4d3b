"""One colour and one short name per operation, the same in every drawing of a report."""

from __future__ import annotations

import re

_COLOURS = {
    "none": "#b8bcc4",
    "skip_connect": "#f0766e",
    "max_pool_3x3": "#f2cf5b",
    "avg_pool_3x3": "#f5a65b",
    "sep_conv_3x3": "#7fb0e6",
    "sep_conv_5x5": "#4f8fd6",
    "dil_conv_3x3": "#8fd3a4",
    "dil_conv_5x5": "#4fb477",
    "dil_conv_3x3_r4": "#4fb477",
    "dil_conv_3x3_r8": "#3d9a8f",
    "atrous_conv_3x3": "#8fd3a4",
    "atrous_conv_5x5": "#4fb477",
    "nor_conv_1x1": "#c0a6e8",
    "nor_conv_3x3": "#7fb0e6",
}
_OTHERS = ("#d7a1c8", "#a3cfcf", "#c9c27a", "#b79a84", "#93a8d8", "#e3a9a0", "#9ec28b", "#cdb4ec")
_WORDS = {"nor": "conv", "atrous": "atr", "skip": "skip", "conv": "", "pool": "", "connect": "", "bottleneck": ""}
_KERNEL = re.compile(r"^\d+x\d+$")


def colour(option: str) -> str:
    """A fill, light enough for dark text; the same option always gets the same one."""
    if option in _COLOURS:
        return _COLOURS[option]
    return _OTHERS[sum(map(ord, option)) % len(_OTHERS)]


def short_name(option: str) -> str:
    """A name that fits into a small box: ``sep_conv_3x3`` becomes ``sep 3×3``.

    Example:
        >>> [short_name(name) for name in ("sep_conv_3x3", "nor_conv_1x1", "skip_connect", "none")]
        ['sep 3×3', 'conv 1×1', 'skip', 'none']
        >>> short_name("bottleneck_1x7_7x1")
        '1×7 7×1'
    """
    words = [word.replace("x", "×") if _KERNEL.match(word) else _WORDS.get(word, word) for word in option.split("_")]
    return " ".join(word for word in words if word) or option

"""How messages name what a data set lacks."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMED = 10


def named(one: str, many: str, names: Sequence[object]) -> str:
    """Some names in words, the first ones of many.

    Example:
        >>> named("class", "classes", ["cat"]), named("class", "classes", range(30))
        ("class 'cat'", 'classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more')
    """
    listed = ", ".join(map(repr, names[:MOST_NAMED]))
    rest = len(names) - MOST_NAMED
    return f"{one if len(names) == 1 else many} {listed}" + (f" and {rest} more" if rest > 0 else "")

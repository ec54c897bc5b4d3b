"""What a user may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to end a message with, or nothing if no known name is like the given one.

    Example:
        >>> did_you_mean("serch.epochs", ["search.epochs", "seed"]), did_you_mean("x", ["seed"])
        ("; did you mean 'search.epochs'?", '')
    """
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""

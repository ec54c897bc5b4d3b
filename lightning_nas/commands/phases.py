"""Where a run stands: each of its phases is named with its place among all."""

from __future__ import annotations

from collections.abc import Sequence

from pytorch_lightning.utilities import rank_zero_only


class Phases:
    """Says what begins, e.g. ``3 of 6: training random 1``.

    Args:
        titles: Of all phases, in order.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self.titles = tuple(titles)

    @rank_zero_only
    def begin(self, title: str) -> None:
        """Says that a phase begins.

        Raises:
            ValueError: If there is none of that title.
        """
        print(f"{self.titles.index(title) + 1} of {len(self.titles)}: {title}", flush=True)

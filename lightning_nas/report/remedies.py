"""What a search that has collapsed could be made again with: settings that its own strategy takes, where there are any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_nas.errors import ConfigError, ReportError
from lightning_nas.runs.plain_config import read_plain
from lightning_nas.search.doctor import Remedies
from lightning_nas.strategies.gradient.short_names import SAMPLERS

UNKNOWN = Remedies("strategy=robust_darts", "strategy=beta_darts")
"""Other strategies, for searches of which nobody knows whether their own takes a guard."""

DECAY = "strategy.terms.beta_decay=50"


def remedies_of(config: Path) -> Remedies:
    """Settings of its own strategy if that takes them and does not have them, or other strategies.

    Args:
        config: Of the search; a search from Python has none.

    Raises:
        ReportError: If it is malformed.
    """
    if not config.is_file():
        return UNKNOWN
    try:
        strategy = read_plain(config).get("strategy")
    except ConfigError as error:
        raise ReportError(str(error)) from None
    if not isinstance(strategy, dict) or "guard" not in strategy or strategy.get("level") == "single":
        return UNKNOWN  # on one level a guard has no half of the data
    other = _from_the_start(strategy)
    return Remedies(other if _acts(strategy["guard"]) else Remedies.guard, other)


def _from_the_start(strategy: Mapping[str, Any]) -> str:
    if _is_hard(strategy.get("sampler")):
        return UNKNOWN.from_the_start
    if strategy.get("auxiliary_skip") in (None, 0):
        return Remedies.from_the_start
    terms = strategy.get("terms")
    decays = isinstance(terms, dict) and terms.get("beta_decay") not in (None, 0)
    return UNKNOWN.guard if decays else DECAY


def _acts(guard: Any) -> bool:
    return _name(guard).lower() not in ("none", "watch")


def _is_hard(sampler: Any) -> bool:
    return any(kind.hard for name, kind in SAMPLERS.items() if _name(sampler) in (name, kind.__name__))


def _name(part: Any) -> str:
    """Of a part that is given by a short name, or as a ``_target_`` with arguments."""
    return str(part.get("_target_") if isinstance(part, dict) else part).rpartition(".")[2]

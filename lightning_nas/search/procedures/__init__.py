"""The ways of searching, one per family of strategies."""

from lightning_nas.search.procedures.run import run

__all__ = ["run"]

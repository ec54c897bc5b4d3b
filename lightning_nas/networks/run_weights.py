"""Where the trained network of a run lies."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

TRAINED = "checkpoints/last.ckpt"
"""Of a training: its network. Of a search: its supernet."""

FOUND = "evaluation/found/checkpoints/last.ckpt"
"""Of a search: the found network, trained to be compared with others."""


def trained_weights(run: Path) -> Path | None:
    """The checkpoint of a run's own network, or None if it has not trained it.

    Args:
        run: Run folder of a training or a search.
    """
    if (run / FOUND).is_file():
        return run / FOUND
    return run / TRAINED if (run / TRAINED).is_file() and not is_search(run) else None


def is_search(run: Path) -> bool:
    """Whether a folder is that of a search, whose checkpoint holds a supernet."""
    config = run / ".hydra" / "config.yaml"
    return config.is_file() and "strategy" in OmegaConf.load(config)

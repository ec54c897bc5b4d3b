"""What Lightning says of itself, and what does not hold for runs of this library, is not said."""

from __future__ import annotations

import logging
import warnings

NOT_SHOWN = (
    ".*LeafSpec.*",  # Lightning 2.6 on PyTorch 2.15, with every trainer
    ".*smaller than the logging interval.*",  # means of epochs are what is looked at here
    ".*exists and is not empty. Previous log files.*",  # the logger of a run goes on with them
)
"""Warnings."""

LOGGERS = (
    "pytorch_lightning.utilities.rank_zero",
    "lightning_fabric.utilities.rank_zero",
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric.utilities.rank_zero",
)
"""Whichever package is imported last logs for both."""


def hush() -> None:
    """Leaves out advertisements for other products, and warnings that do not apply."""
    for message in NOT_SHOWN:
        warnings.filterwarnings("ignore", message=message)
    # It has a handler of its own: Hydra's would say everything once more.
    logging.getLogger("lightning").propagate = False
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_is_no_tip)


def _is_no_tip(record: logging.LogRecord) -> bool:
    return "Tip: " not in record.getMessage()

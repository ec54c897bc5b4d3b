"""The commands: ``lightning-nas search|train|report|predict|benchmark [key=value ...]``, composed by Hydra."""

from __future__ import annotations

import contextlib
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from lightning_nas import run
from lightning_nas.architecture import ArchitectureError
from lightning_nas.config import ConfigError, register_schemas
from lightning_nas.networks.weights import WeightsError
from lightning_nas.report.run_folder import ReportError
from lightning_nas.run_record import alone_in
from lightning_nas.search.costs import UncountableError
from lightning_nas.search.evaluators.table import TableError
from lightning_nas.search.persistence import CheckpointError
from lightning_nas.search.storage import StudyError
from lightning_nas.sweep import is_multirun, keep_failure

COMMANDS: dict[str, Callable[[DictConfig], object]] = {
    "search": run.search,
    "train": run.train,
    "report": run.report,
    "predict": run.predict,
    "benchmark": run.benchmark,
}

NAMED = (
    ConfigError,
    ArchitectureError,
    CheckpointError,
    ReportError,
    StudyError,
    TableError,
    UncountableError,
    WeightsError,
    FloatingPointError,
)
"""Errors whose text says what is wrong, with which value: no traceback helps."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        argv: Command and Hydra overrides; those of the process if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help")
        print(
            f"usage: lightning-nas {{{'|'.join(COMMANDS)}}} [key=value ...]    (lightning-nas search --help: all keys)"
        )
        raise SystemExit(0 if asked_for_help else 2)
    command, overrides = arguments[0], arguments[1:]
    register_schemas()
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning 2.6 on PyTorch 2.15, with every trainer
    try:
        overrides = _locate_resumed_run(command, overrides)
        sys.argv = [sys.argv[0], *overrides]
        # With arguments handed to main(), a DDP child that Lightning starts from sys.argv needs the command as well.
        hydra.main(version_base="1.3", config_path="pkg://lightning_nas.conf", config_name=command)(
            lambda config: _execute(command, config)
        )()
    except ConfigError as error:
        raise SystemExit(f"error: {error}") from None


def _execute(command: str, config: DictConfig) -> None:
    """Runs a command within Hydra. A job of a sweep that fails leaves its reason, so that the others go on.

    Raises:
        SystemExit: With what is wrong, if it is the user's to mend.
    """
    try:
        folder = Path(HydraConfig.get().runtime.output_dir)
        with alone_in(folder) if command in ("search", "train") else contextlib.nullcontext():
            COMMANDS[command](config)
    except Exception as error:
        known = isinstance(error, NAMED) or (isinstance(error, OSError) and error.strerror is not None)
        if is_multirun():
            keep_failure(str(error) if known else traceback.format_exc())
            print(f"error: job {HydraConfig.get().job.num}: {error}", file=sys.stderr)
        elif known:
            raise SystemExit(f"error: {error}") from error
        else:
            raise


def _locate_resumed_run(command: str, overrides: list[str]) -> list[str]:
    """With ``resume=true`` and no run folder: the newest unfinished run of the same command is the run folder."""
    given = dict(item.partition("=")[::2] for item in overrides)
    if given.get("resume", "").lower() not in ("true", "1", "yes", "on") or "hydra.run.dir" in given:
        return overrides
    wanted = sorted(item for item in overrides if not item.startswith(("resume=", "max_time=")))
    for folder in sorted(Path("runs", command).glob("*"), reverse=True):
        saved = folder / ".hydra" / "overrides.yaml"
        if not saved.is_file() or (folder / "summary.json").exists():
            continue
        past = [str(item) for item in OmegaConf.load(saved)]
        if sorted(item for item in past if not item.startswith(("resume=", "max_time="))) == wanted:
            return [*overrides, f"hydra.run.dir={folder}"]
    raise ConfigError(
        f"resume=true: no unfinished run of `{command} {' '.join(wanted)}` under {Path('runs', command)}; "
        "name one with hydra.run.dir=<folder>"
    )

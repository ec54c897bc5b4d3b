"""The commands: ``lightning-nas search|train|auto|estimate|report|... [key=value ...]``, composed by Hydra."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from lightning_nas.commands.check import check_early
from lightning_nas.commands.completing import completed
from lightning_nas.commands.freed_memory import keep_freed_memory
from lightning_nas.commands.groups import register_training_keys
from lightning_nas.commands.help_page import help_page
from lightning_nas.commands.quiet import hush
from lightning_nas.commands.ranks import end_with_the_first, say_how_to_start_others
from lightning_nas.commands.refusing import (
    CONFIGS,
    FULL_ERRORS,
    hydras_own_errors,
    in_words,
    leaving_nothing,
    refusal,
    without_hydra,
)
from lightning_nas.commands.renamed import refuse_old_names
from lightning_nas.commands.schema import register_schemas
from lightning_nas.commands.sweep import is_multirun, keep_failure
from lightning_nas.errors import ConfigError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import read_overrides

COMPOSED = ("search", "train", "report", "predict", "export", "benchmark", "ui", "docs")
"""Modules of ``commands/`` whose settings Hydra composes; imported once these have been checked: it takes seconds."""

COMMANDS = (*COMPOSED, "auto", "estimate")


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
    if find_spec(CONFIGS) is None:
        raise SystemExit(
            f"error: {CONFIGS} is not found, as lightning_nas is not installed: run `pip install -e .` in the checkout"
        )
    register_schemas()
    register_training_keys()
    hush()
    keep_freed_memory()
    in_full = os.environ.get(FULL_ERRORS) == "1"
    if command == "auto":
        with nullcontext() if in_full else in_words("search"):
            _automatic(overrides)
        return
    if command == "estimate":
        with nullcontext() if in_full else in_words(estimated(overrides)):
            _estimate(overrides)
        return
    _composed(command, overrides, in_full=in_full, own_script=argv is not None)


def _automatic(arguments: list[str]) -> None:
    """The one command that starts others."""
    from lightning_nas.commands import auto  # takes seconds
    from lightning_nas.commands.automating.settings import USAGE

    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE)
        raise SystemExit(0 if arguments else 2)
    auto.run(arguments, compose_and_run)


def _estimate(arguments: list[str]) -> None:
    """The one command that does a few steps of others."""
    from lightning_nas.commands import estimate  # takes seconds

    if {"-h", "--help"} & set(arguments):
        print(estimate.USAGE)
        raise SystemExit(0)
    estimate.run(arguments)


def estimated(arguments: Sequence[str]) -> str:
    """The command whose config an estimate composes."""
    return "train" if arguments[:1] == ["train"] else "search"


def compose_and_run(command: str, overrides: Sequence[str]) -> None:
    """Runs a command within this process; its errors are raised as they are.

    Args:
        command: One of :data:`COMPOSED`.
        overrides: Of its settings.
    """
    register_schemas()
    register_training_keys()
    _composed(command, list(overrides), in_full=True, own_script=False)


def _composed(command: str, overrides: list[str], *, in_full: bool, own_script: bool) -> None:
    """Runs a command whose settings Hydra composes.

    Args:
        command: One of :data:`COMPOSED`.
        overrides: Of its settings.
        in_full: Whether errors keep their tracebacks.
        own_script: Whether the process was started by a script that adds the command itself, such as scripts/train.py.
    """
    with nullcontext() if in_full else in_words(command):
        refuse_old_names(overrides)
        if {"-h", "--help"} & set(overrides):
            print(help_page(command, [item for item in overrides if not item.startswith("-")]))
            raise SystemExit(0)
        overrides = completed(command, overrides)
        overrides = _locate_resumed_run(command, overrides)
        sys.argv = [sys.argv[0], *overrides]
        of_ranks = [*([] if own_script else [command]), *overrides]
        end_with_the_first(overrides)

        def job(config: DictConfig) -> object:
            say_how_to_start_others(of_ranks)
            return _run(command, config, in_full=in_full)

        hydra.main(version_base="1.3", config_path=f"pkg://{CONFIGS}", config_name=command)(job)()


def _run(command: str, config: DictConfig, *, in_full: bool) -> object:
    """One job. A refused one leaves no folder behind; one of a sweep leaves its reason there, and the others go on."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    has_folder = folder != Path.cwd()  # others work in that of the user, which is left alone
    try:
        check_early(config)
        with (
            nullcontext() if in_full else hydras_own_errors(),
            _alone_in(folder) if command in ("search", "train") else nullcontext(),
            leaving_nothing(folder, command) if has_folder else nullcontext(),
        ):
            return import_module(f"lightning_nas.commands.{command}").run(config)
    except Exception as error:
        text = refusal(error, command)
        with suppress(OSError):
            if has_folder:
                folder.rmdir()  # made by Hydra, and empty if nothing has begun
        if is_multirun():
            keep_failure(text or traceback.format_exc())
            print(f"error: job {HydraConfig.get().job.num}: {text or repr(error)}", file=sys.stderr)
            return None
        if in_full:
            raise
        if text is not None:
            raise SystemExit(f"error: {text}") from None  # past Hydra, which would print the command once more
        failure = without_hydra(error)
    raise failure  # outside of the handler: an exception of a user's code stays as it is


def _alone_in(folder: Path) -> AbstractContextManager[None]:
    from lightning_nas.commands.claim import alone_in  # takes seconds, which a report does not need

    return alone_in(folder)


def _locate_resumed_run(command: str, overrides: list[str]) -> list[str]:
    """With ``resume=true`` and no run folder: the newest unfinished run of the same command is the run folder."""
    given = dict(item.partition("=")[::2] for item in overrides)
    if given.get("resume", "").lower() not in ("true", "1", "yes", "on") or "hydra.run.dir" in given:
        return overrides
    wanted = sorted(item for item in overrides if not item.startswith(("resume=", "max_time=")))
    for folder in sorted(Path("runs", command).glob("*"), reverse=True):
        run = RunFolder(folder)
        if not run.overrides.is_file() or run.summary.exists():
            continue
        past = read_overrides(run.overrides, ConfigError)
        if sorted(item for item in past if not item.startswith(("resume=", "max_time="))) == wanted:
            return [*overrides, f"hydra.run.dir={folder}"]
    raise ConfigError(
        f"resume=true: no unfinished run of `{command} {' '.join(wanted)}` under {Path('runs', command)}; "
        "name one with hydra.run.dir=<folder>"
    )

"""What Hydra calls around the jobs of a command: folders that can be written, and the tables at the end of a multirun."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from lightning_nas.architecture import write_atomic
from lightning_nas.runs import RunFolder, SweepFolder
from lightning_nas.runs.trust import own_class

if TYPE_CHECKING:
    from lightning_nas.benchmark import Benchmark


def is_multirun() -> bool:
    """Whether the command that runs now is a job of a sweep."""
    mode = HydraConfig.get().mode
    return mode is not None and mode.name == "MULTIRUN"


def keep_failure(reason: str) -> None:
    """Writes down why the job that runs now has failed. The sweep goes on, and tells all failures when it ends."""
    hydra = HydraConfig.get()
    overrides: Sequence[str] = hydra.overrides.task
    text = f"{' '.join(overrides)}\n{reason}\n"
    write_atomic(SweepFolder(hydra.sweep.dir).error(hydra.job.num), text)


class CommandCallback(Callback):
    """Refuses a folder that cannot be written; ends a sweep with its failures, of which Hydra would raise the first alone.

    Hydra turns an exception of a callback into a warning, so errors are those that end the process.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a single run."""
        _require_writable("hydra.run.dir", config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job; forgets the failures of an earlier attempt."""
        _require_writable("hydra.sweep.dir", config.hydra.sweep.dir)
        shutil.rmtree(SweepFolder(config.hydra.sweep.dir).errors, ignore_errors=True)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        sweep = SweepFolder(config.hydra.sweep.dir)
        failed = sorted(sweep.errors.glob("*.txt"), key=lambda file: int(file.stem))
        ended = [run.path.name for run in sweep.jobs if self.result(run).is_file()]
        if ended:
            self.show(sweep)
        if failed:
            reasons = [file.read_text(encoding="utf-8").strip().replace("\n", "\n    ") for file in failed]
            lines = [f"  #{file.stem}: {reason}" for file, reason in zip(failed, reasons, strict=True)]
            count = len({*ended, *(file.stem for file in failed)})
            raise SystemExit("\n".join([f"error: {len(failed)} of {count} jobs failed:", *lines]))

    def result(self, run: RunFolder) -> Path:
        """What a job that ended well has written."""
        return run.summary

    def show(self, sweep: SweepFolder) -> None:
        """Shows the jobs of a sweep that have ended well."""
        print(f"runs: {sweep}")


class TableCallback(CommandCallback):
    """Prints mean and spread over seeds of all jobs, and writes them as ``table.csv`` into the sweep's folder."""

    def show(self, sweep: SweepFolder) -> None:
        """Prints and writes the table."""
        # Imported here: Hydra makes its callbacks before a command looks at its settings, and this takes seconds.
        from lightning_nas.report.multirun import write_table

        print(write_table(sweep.path))


class BenchmarkCallback(CommandCallback):
    """Prints one table of all jobs of a benchmark, and draws them into one picture in the sweep's folder."""

    def result(self, run: RunFolder) -> Path:
        """What a job that ended well has written."""
        return run.benchmark

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job."""
        super().on_multirun_start(config, **kwargs)
        self.target = str(config.get("_target_"))  # of the user's own command, which may name any class

    def show(self, sweep: SweepFolder) -> None:
        """Prints and draws. Jobs of other benchmarks than the first one's have tables of their own."""
        results: dict[str, list[dict[str, Any]]] = {}
        for run in sorted((run for run in sweep.jobs if run.benchmark.is_file()), key=lambda run: int(run.path.name)):
            target = str(OmegaConf.select(OmegaConf.load(run.config), "_target_"))
            results.setdefault(target, []).append(json.loads(run.benchmark.read_text(encoding="utf-8")))
        for target, group in results.items():
            kind: type[Benchmark] = own_class(target, "_target_", {self.target})
            Console().print(kind.render(group))
            picture = kind.draw(group, sweep.path)
            print(f"picture: {picture}" if picture else "")


def _require_writable(key: str, folder: str) -> None:
    """Makes the folder, as Hydra would do next, in words if that fails."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"error: {key} = {folder}: cannot be made: {error.strerror}; name another folder") from None
    if not os.access(place, os.W_OK | os.X_OK):
        raise SystemExit(f"error: {key} = {folder}: cannot be written; name another folder")

"""The folder of a run: the only file that spells the names in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from lightning_nas.errors import NasError
from lightning_nas.runs.contents import Front, checked, read_text, read_yaml
from lightning_nas.runs.model import ModelFolder


@dataclass(frozen=True)
class RunFolder:
    """Where a search, a training, or one network of a comparison keeps what.

    All three have the same layout, as far as they have the files: a search holds a folder of the same kind for its
    pretraining (:attr:`pretraining`) and one for every network that it compares (:meth:`contender`).

    Args:
        path: The folder; it need not exist.

    Example:
        >>> run = RunFolder("runs/search/mine")
        >>> run.summary.name, run.contender("random 0").path.name
        ('summary.json', 'random_0')
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    def __str__(self) -> str:
        return str(self.path)

    # ---- the command ------------------------------------------------------------------------------------------------

    @property
    def record(self) -> Path:
        """Folder of the command's record; its files are those that Hydra would write."""
        return self.path / ".hydra"

    @property
    def config(self) -> Path:
        """The composed config of the command."""
        return self.record / "config.yaml"

    @property
    def overrides(self) -> Path:
        """The settings that the user gave, one by one."""
        return self.record / "overrides.yaml"

    @property
    def hydra(self) -> Path:
        """Hydra's own config."""
        return self.record / "hydra.yaml"

    @property
    def lock(self) -> Path:
        """Held by the process that works in the folder."""
        return self.path / ".lock"

    # ---- what was found ---------------------------------------------------------------------------------------------

    @property
    def architecture(self) -> Path:
        """The record of the architecture that was found, or is trained."""
        return self.path / "architecture.json"

    @property
    def summary(self) -> Path:
        """What the run says of itself; it is written last."""
        return self.path / "summary.json"

    @property
    def phases(self) -> Path:
        """How many seconds each phase of the run has taken."""
        return self.path / "phases.json"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def benchmark(self) -> Path:
        """What a benchmark has measured."""
        return self.path / "benchmark.json"

    def picture(self, file: str) -> Path:
        """What the task has drawn in a test; its name is the task's."""
        return self.path / file

    @property
    def gallery(self) -> Path:
        """The worst images of a test, see :class:`~lightning_nas.runs.gallery.Gallery`."""
        return self.path / "gallery.json"

    @property
    def predictions(self) -> Path:
        """Folder of predictions, if no other one is named."""
        return self.path / "predictions"

    @property
    def export(self) -> Path:
        """Folder of an exported network, if no other one is named."""
        return self.path / "export"

    # ---- a training -------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> Path:
        """What was logged."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """Of a training: its network. Of a search: its supernet."""
        return self.checkpoints / "last.ckpt"

    @property
    def checkpoint_before(self) -> Path:
        """The one before the last, until the training has ended."""
        return self.checkpoints / "before_last.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        """The one of the best validation, if the training was asked to keep it."""
        return self.checkpoints / "best.ckpt"

    @property
    def network_checkpoint(self) -> Path:
        """Of a training: the one that it was tested with, the best if it is kept, or else the last."""
        return self.best_checkpoint if self.best_checkpoint.is_file() else self.last_checkpoint

    # ---- a search ---------------------------------------------------------------------------------------------------

    @property
    def history(self) -> Path:
        """Probabilities of the options after every epoch of a gradient search."""
        return self.path / "history.jsonl"

    def of_epoch(self, number: int) -> Path:
        """What the architecture that a gradient search pointed to after an epoch is called; no file, the history holds it."""
        return self.path / "epochs" / str(number)

    @staticmethod
    def naming_epoch(path: str | os.PathLike[str]) -> tuple[RunFolder, int] | None:
        """The search and the epoch that such a name is of; None for others."""
        run, number = RunFolder(Path(path).parent.parent), Path(path).name
        named = number.isdecimal() and run.of_epoch(int(number)) == Path(path)
        return (run, int(number)) if named and run.history.is_file() else None

    @property
    def candidates(self) -> Path:
        """Every path of a supernet that was scored, in order."""
        return self.path / "evolution.jsonl"

    @property
    def scoring(self) -> Path:
        """How long the scoring of paths has taken."""
        return self.path / "scoring.json"

    @property
    def study(self) -> Path:
        """The study of a search trial by trial, if no other storage is named."""
        return self.path / "study.db"

    @property
    def trials(self) -> Path:
        """Every trial that has ended."""
        return self.path / "trials.jsonl"

    def trial(self, key: str) -> RunFolder:
        """Where a trial trains its network."""
        return RunFolder(self.path / "trials" / key)

    @property
    def front(self) -> Path:
        """Folder of the architectures of a Pareto front."""
        return self.path / "front"

    def on_front(self, number: int) -> Path:
        """The record of one architecture of the front."""
        return self.front / f"{number}.json"

    @property
    def front_record(self) -> Path:
        """What is known of the networks of a front that were trained together."""
        return self.path / "front.json"

    @property
    def latencies(self) -> Path:
        """Latency of the networks that a search has measured to predict that of others."""
        return self.path / "latencies.json"

    def front_network(self, number: int) -> RunFolder:
        """Where one of these networks lies, with its record and its weights."""
        return RunFolder(self.front / str(number))

    @property
    def weights(self) -> Path:
        """The whole task's weights of a network of a front."""
        return self.path / "weights.safetensors"

    @property
    def pretraining(self) -> RunFolder:
        """Where the supernet is pretrained."""
        return RunFolder(self.path / "pretrain")

    @property
    def selection(self) -> RunFolder:
        """Where a searched supernet is trained on while it is discretised."""
        return RunFolder(self.path / "selection")

    def stage(self, number: int) -> RunFolder:
        """Where a stage of a search before the last one is kept."""
        return RunFolder(self.path / "stages" / str(number))

    @property
    def options(self) -> Path:
        """The options that a stage of a search has left."""
        return self.path / "options.json"

    # ---- a comparison -----------------------------------------------------------------------------------------------

    @property
    def evaluation(self) -> Path:
        """Folder of the networks that are compared."""
        return self.path / "evaluation"

    def contender(self, name: str) -> RunFolder:
        """Where one of them is trained and tested; the name is the one that people read, e.g. ``"random 0"``."""
        return RunFolder(self.evaluation / name.replace(" ", "_").replace(":", ""))

    @property
    def found(self) -> RunFolder:
        """Where the found network is trained and tested."""
        return self.contender("found")

    @property
    def result(self) -> Path:
        """What came of a network that is compared."""
        return self.path / "result.json"

    # ---- what is there ----------------------------------------------------------------------------------------------

    @property
    def results(self) -> tuple[Path, ...]:
        """What a run leaves in its folder and reads again."""
        return (
            self.architecture, self.checkpoints, self.evaluation, self.candidates, self.history, self.metrics,
            self.pretraining.path, self.study, self.summary, self.path / "trials", self.trials, self.front, self.front_record,
            self.latencies, self.selection.path, self.path / "stages",
        )  # fmt: skip

    @property
    def is_search(self) -> bool:
        """Whether it is the folder of a search, whose checkpoint holds a supernet.

        Raises:
            NasError: If the config of its command cannot be read.
        """
        if not self.config.is_file():
            return False
        try:
            config = read_yaml(self.config.read_text(encoding="utf-8"))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise NasError(f"{self.config}: not a config of a run: {type(error).__name__}: {error}") from None
        return isinstance(config, dict) and "strategy" in config

    def chosen_of_front(self) -> int:
        """Number of the network of the front that is the architecture of the run.

        Raises:
            RunFolderError: If the record of the front is damaged.
        """
        return int(checked(read_text(self.front_record), Front, str(self.front_record))["chosen"])

    @property
    def trained_weights(self) -> Path | None:
        """The checkpoint of the run's own network, or None if it has not trained it."""
        if self.front_record.is_file():
            return self.front_network(self.chosen_of_front()).weights
        if self.found.network_checkpoint.is_file():
            return self.found.network_checkpoint
        for weights in (self.weights, ModelFolder(self.path).weights):
            if weights.is_file():
                return weights
        return self.network_checkpoint if self.network_checkpoint.is_file() and not self.is_search else None

    def named(self, path: Path) -> str:
        """A path as seen from the folder, for messages."""
        return path.relative_to(self.path).as_posix()

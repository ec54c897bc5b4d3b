"""Where a study lives, who works on it, and what becomes of trials whose worker died."""

from __future__ import annotations

import os
import socket
import time
import warnings
from pathlib import Path

import optuna
import psutil
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lightning_nas.errors import StudyError
from lightning_nas.search.trials.heartbeats import Heartbeats
from lightning_nas.strategies.blackbox import RETRIES

WORKER = "worker"
"""User attribute of a trial: the process that evaluates it, ``place:pid:start``."""

HEARTBEAT_S = 30
ATTEMPTS = 5


def open_storage(storage: str) -> BaseStorage:
    """The storage that a text names, as in Optuna's dashboard.

    Args:
        storage: A URL of a database (``sqlite:///study.db``, ``postgresql://user@host/name``), or the path of a journal file.

    Raises:
        StudyError: If it cannot be reached.
    """
    try:
        if "://" in storage:
            return _database(storage)
        Path(storage).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(storage))
    except Exception as error:  # every database driver has errors of its own
        raise StudyError(f"storage = {storage!r} cannot be reached: {type(error).__name__}: {error}") from error


def _database(url: str) -> RDBStorage:
    """Workers that start together may create the same tables: all but one fail at that, and find them when they try again."""
    for attempt in range(ATTEMPTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats, since 2020
                return RDBStorage(
                    url,
                    heartbeat_interval=HEARTBEAT_S,
                    grace_period=2 * HEARTBEAT_S,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
                )
        except Exception as error:
            created = "already exists" in str(error) or type(error).__name__ == "IntegrityError"
            if not created or attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.5 * (attempt + 1))
    raise AssertionError("unreachable")


def worker_name(pid: int | None = None) -> str:
    """A process of this machine (this one if None), so that no other process is ever taken for it.

    Where Linux tells, the place is host, boot and namespace of process numbers: containers may have equal host names, and each
    counts its processes by itself. The start is counted from the boot, since a time of day changes when the clock is set.

    Raises:
        NoSuchProcess: If there is none.
    """
    number = os.getpid() if pid is None else pid
    stat = Path(f"/proc/{number}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            start = (
                stat.read_text().rpartition(")")[2].split()[19]
            )  # see proc_pid_stat(5): field 22, the second is in brackets
        except (FileNotFoundError, ProcessLookupError):
            raise psutil.NoSuchProcess(number) from None
    else:
        start = f"{psutil.Process(number).create_time():.2f}"
    return f"{_place()}:{number}:{start}"


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return socket.gethostname()


def is_gone(worker: str) -> bool:
    """Whether a worker was a process of this machine, boot and namespace that does not run any more."""
    place, pid, _ = worker.rsplit(":", 2)
    if place != _place():
        return False
    try:
        return worker_name(int(pid)) != worker
    except psutil.NoSuchProcess:
        return True


def requeue_abandoned(study: optuna.Study, *, alone: bool = False, beats: Heartbeats | None = None) -> int:
    """Puts the architectures of trials whose worker died back into the queue.

    Workers of this machine are found at once, those of others by their silence.

    Args:
        study: The study.
        beats: Listens to workers.
        alone: Whether nobody else works on it, so that no running trial can have a worker.

    Returns:
        Number of trials that were put back.
    """
    count = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)
        gone = worker is not None and is_gone(worker)
        if (alone or gone or (beats is not None and beats.silent(trial))) and _closed(study, trial.number):
            study.enqueue_trial(trial.params, user_attrs={RETRIES: trial.number})
            count += 1
    return count


def _closed(study: optuna.Study, number: int) -> bool:
    """Marks a trial as failed; False if another worker has been faster."""
    try:
        study.tell(number, state=TrialState.FAIL)
    except (ValueError, RuntimeError):  # it has ended meanwhile
        return False
    return True

"""Interruptions, and several workers on one study."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter

import optuna
import psutil
import pytest
from counting_study import SPACE, Counting, accuracy, study_of, trials
from optuna.trial import TrialState

from lightning_nas.errors import StudyError
from lightning_nas.search.trials.giving_up import finished
from lightning_nas.search.trials.heartbeats import BEAT, Heartbeats
from lightning_nas.search.trials.storage import WORKER, is_gone, open_storage, requeue_abandoned, worker_name
from lightning_nas.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from lightning_nas.strategies.blackbox import choices_of


def test_a_worker_of_this_machine_is_known_to_be_gone():
    process = subprocess.Popen(["sleep", "60"])
    name = worker_name(process.pid)
    assert not is_gone(name)
    assert not is_gone(worker_name())
    assert not is_gone("elsewhere:1:0.00")
    process.kill()
    process.wait()
    assert is_gone(name)
    host, pid, _ = worker_name().rsplit(":", 2)
    assert is_gone(f"{host}:{pid}:0.00")  # the number belongs to another process now


def test_a_worker_of_another_container_with_the_same_name_is_not_judged_by_its_number():
    place, pid, start = worker_name().rsplit(":", 2)
    host, boot, namespace = place.split("/", 2)
    assert not is_gone(f"{host}/{boot}/pid:[1]:{pid}:0")
    assert not is_gone(f"{host}/another-boot/{namespace}:{pid}:0")
    assert not is_gone(f"{host}:999999:0.00")  # as an earlier version wrote it
    assert is_gone(f"{place}:{pid}:{int(start) + 1}")


def test_a_clock_that_is_set_kills_no_worker(monkeypatch):
    name = worker_name()
    created = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created + 3600)
    assert not is_gone(name)
    assert worker_name() == name


def test_a_trial_that_was_taken_over_ends_quietly():
    study, taken = study_of(RandomSearch(SPACE)), []

    def evaluate(choices, trial):
        if not taken:
            taken.append(trial.number)
            study.tell(trial.number, state=TrialState.FAIL)
        return accuracy(choices)

    trials(evaluate, 3).run(study)
    assert finished(study) == 3
    assert study.trials[taken[0]].state is TrialState.FAIL


class Always(optuna.samplers.RandomSampler):
    """Asks for one architecture again and again, as a sampler does when nothing else is left."""

    def sample_independent(self, study, trial, name, distribution):
        return distribution.choices[0]


def orphan_of(study, worker="elsewhere:1:0"):
    trial = study.ask()
    trial.set_user_attr(WORKER, worker)
    for decision in SPACE.decisions:
        trial.suggest_categorical(decision, list(SPACE.ops))
    return trial


def test_the_trial_of_a_dead_machine_is_evaluated_by_another(tmp_path):
    """In a journal, where nobody but us listens."""
    study = study_of(Always(), open_storage(str(tmp_path / "study.log")))
    lost = orphan_of(study)
    trials(accuracy, 1, patience=0.2).run(study, timeout=60)
    assert finished(study) == 1
    assert study.trials[lost.number].state is TrialState.FAIL


def test_a_worker_that_gives_signs_of_life_is_left_alone_and_the_search_ends(monkeypatch):
    monkeypatch.setattr("lightning_nas.search.trials.giving_up.PAUSE_S", 0.02)
    study = study_of(Always())
    alive = orphan_of(study)
    with Heartbeats(every=0.01).of(alive), pytest.warns(UserWarning, match="exhausted, the search ends after 0 of 5"):
        trials(accuracy, 5, patience=1.0).run(study, timeout=60)
    assert study.trials[alive.number].state is TrialState.RUNNING


def test_an_exhausted_space_ends_the_search_and_says_so():
    evaluator, study = Counting(), study_of(Always())
    with pytest.warns(UserWarning, match="the space seems exhausted"):
        trials(evaluator, 10_000).run(study)
    assert len(evaluator.asked) == 1
    assert finished(study) < 200


def test_silence_is_measured_by_the_listeners_own_clock():
    study = study_of(Always())
    orphan_of(study)
    beats = Heartbeats(patience=0.05)
    assert not beats.silent(study.trials[0])
    time.sleep(0.1)
    assert beats.silent(study.trials[0])
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, BEAT, 1)
    assert not beats.silent(study.trials[0])


SAMPLERS = {
    "evolution": lambda: RegularizedEvolution(SPACE, population=6, tournament=3, identity=0.0),
    "local_search": lambda: LocalSearch(SPACE, initial=3),
}


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_a_killed_search_ends_as_if_it_had_not_been(make, tmp_path):
    """The worker dies within a trial, leaving it running."""
    whole = study_of(make())
    trials(accuracy, 25).run(whole)
    storage = str(tmp_path / "study.log")
    broken = study_of(make(), open_storage(storage))
    trials(accuracy, 11).run(broken)
    broken.sampler = make()
    lost = broken.ask()
    lost.suggest_categorical("cell.1.0", list(SPACE.ops))
    resumed = study_of(make(), open_storage(storage))
    trials(accuracy, 25, alone=True).run(resumed)
    done = [trial for trial in resumed.trials if trial.state is TrialState.COMPLETE]
    assert [trial.params for trial in done] == [trial.params for trial in whole.trials]
    assert resumed.trials[11].state is TrialState.FAIL


def test_only_trials_of_dead_workers_are_queued_again():
    study = study_of(RandomSearch(SPACE))
    names = {"alive": worker_name(), "dead": f"{worker_name().rsplit(':', 1)[0]}:0.00", "elsewhere": "elsewhere:1:0.00"}
    for name in names.values():
        trial = study.ask()
        trial.set_user_attr(WORKER, name)
    assert requeue_abandoned(study) == 1
    states = [trial.state.name for trial in study.trials]
    assert states == ["RUNNING", "FAIL", "RUNNING", "WAITING"]
    assert requeue_abandoned(study) == 0
    assert requeue_abandoned(study, alone=True) == 2


def work(storage, log, count, index):
    """One worker; number 0 hangs in its second trial."""
    seen = []

    def evaluate(choices, trial):
        text = SPACE.to_text(choices)
        seen.append(text)
        if index == 0 and len(seen) == 2:
            log.with_suffix(".part").write_text(text)
            log.with_suffix(".part").rename(log.with_suffix(".hanging"))
            time.sleep(600)
        time.sleep(0.05)
        with log.open("a") as file:
            file.write(json.dumps({"architecture": text, "worker": index}) + "\n")
        return accuracy(choices)

    trials(evaluate, count).run(study_of(RandomSearch(SPACE), open_storage(storage)))


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_three_workers_share_a_study_and_one_is_killed(kind, tmp_path):
    """No architecture is evaluated twice to the end, none is lost, and the killed worker's one is evaluated by another."""
    storage = f"sqlite:///{tmp_path / 'study.db'}" if kind == "sqlite" else str(tmp_path / "study.log")
    log = tmp_path / "evaluated"
    study_of(RandomSearch(SPACE), open_storage(storage))
    fork = multiprocessing.get_context("fork")  # has everything imported
    workers = [fork.Process(target=work, args=(storage, log, 24, index)) for index in range(3)]
    for worker in workers:
        worker.start()
    while not log.with_suffix(".hanging").is_file():
        assert workers[0].is_alive()
        time.sleep(0.02)
    os.kill(workers[0].pid, signal.SIGKILL)
    for worker in workers:
        worker.join(timeout=300)
    assert [worker.exitcode for worker in workers] == [-signal.SIGKILL, 0, 0]
    lost = log.with_suffix(".hanging").read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    evaluated = Counter(line["architecture"] for line in lines)
    assert max(evaluated.values()) == 1
    assert evaluated[lost] == 1
    assert {line["worker"] for line in lines} >= {1, 2}
    study = study_of(RandomSearch(SPACE), open_storage(storage))
    done = [SPACE.to_text(choices_of(t, SPACE)) for t in study.get_trials() if t.state is TrialState.COMPLETE]
    assert set(done) == set(evaluated)
    assert 24 <= len(done) <= 25  # two workers may be in their last trials at the same time


def test_a_truncated_database_is_an_error_and_no_crash(tmp_path):
    file = tmp_path / "study.db"
    file.write_bytes(b"no database at all, but long enough to be read as one")
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(file).execute("select * from trials")
    with pytest.raises(StudyError, match=r"study\.db"):
        open_storage(f"sqlite:///{file}")

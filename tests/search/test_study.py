"""A search as a study: what is told, duplicates, failures, interruptions, several workers."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import time
import traceback
from collections import Counter

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from lightning_nas.errors import ArgumentError, StudyError
from lightning_nas.search.heartbeats import BEAT, Heartbeats
from lightning_nas.search.storage import WORKER, is_gone, open_storage, requeue_abandoned, worker_name
from lightning_nas.search.study import Objective, Trials, best_trial, finished, open_study
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from lightning_nas.strategies.blackbox import choices_of, parameters_of

SPACE = NasBench201(nodes=3)
METRIC = Objective("accuracy")


def accuracy(choices, trial=None):
    """Every one of the 125 architectures has another one."""
    return {"accuracy": sum(5**index * SPACE.ops.index(op) for index, op in enumerate(choices.values())) / 125}


class Counting:
    """An evaluator that remembers what it was asked."""

    def __init__(self, fail=lambda choices, count: None):
        self.asked, self.fail = [], fail

    def __call__(self, choices, trial):
        self.asked.append(tuple(choices.items()))
        self.fail(choices, len(self.asked))
        return accuracy(choices)


def study_of(sampler, storage=None, objectives=(METRIC,), name="s", space=SPACE):
    return open_study(storage, name, space, list(objectives), sampler)


def trials(evaluator, count, **arguments):
    return Trials(SPACE, evaluator, [METRIC], count, **arguments)


# ---- what is told ---------------------------------------------------------------------------------------------------


def test_everything_that_was_measured_is_kept():
    study = study_of(RandomSearch(SPACE))
    measured = {"macs": 7, "loss": float("nan")}
    Trials(SPACE, lambda choices, trial: {**accuracy(choices), **measured}, [METRIC], 5).run(study)
    assert finished(study) == 5
    for trial in study.trials:
        assert trial.value == accuracy(choices_of(trial, SPACE))["accuracy"]
        assert trial.user_attrs["metrics"] == {"accuracy": trial.value, "macs": 7.0, "loss": None}
    assert best_trial(study).value == max(trial.value for trial in study.trials)


def test_several_objectives_give_a_front():
    costs = Objective("convolutions", larger_is_better=False)

    def evaluator(choices, trial):
        count = sum(op.startswith("nor_conv") for op in choices.values())
        return {"accuracy": count + 0.1 * list(choices.values()).count("skip_connect"), "convolutions": count}

    study = study_of(optuna.samplers.NSGAIISampler(population_size=10, seed=0), objectives=(METRIC, costs))
    Trials(SPACE, evaluator, [METRIC, costs], 60).run(study)
    assert {trial.values[1] for trial in study.best_trials} >= {1.0, 2.0, 3.0}
    assert best_trial(study).values == [3.0, 3.0]


def test_a_search_of_enough_trials_does_nothing():
    study = study_of(RandomSearch(SPACE))
    trials(Counting(), 4).run(study)
    again = Counting()
    trials(again, 4).run(study)
    assert again.asked == []


def test_no_more_trials_after_the_time_limit():
    study = study_of(RandomSearch(SPACE))
    trials(lambda choices, trial: time.sleep(0.05) or accuracy(choices), 1000).run(study, timeout=0.3)
    assert 1 <= finished(study) < 20


# ---- duplicates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reuse", "evaluated"), [("none", 3), ("same", 2), ("isomorphic", 1)])
def test_results_are_told_again(reuse, evaluated):
    """The second cell equals the first one, the third computes the same function."""
    first = {"cell.1.0": "nor_conv_3x3", "cell.2.0": "none", "cell.2.1": "skip_connect"}
    study = study_of(RandomSearch(SPACE))
    twin = {"cell.1.0": "skip_connect", "cell.2.0": "none", "cell.2.1": "nor_conv_3x3"}
    assert SPACE.canonical(twin) == SPACE.canonical(first)
    for choices in (first, first, twin):
        study.enqueue_trial(parameters_of(choices, SPACE))
    evaluator = Counting()
    trials(evaluator, 3, reuse=reuse).run(study)
    assert len(evaluator.asked) == evaluated
    assert finished(study) == 3
    if reuse == "isomorphic":
        assert len({trial.value for trial in study.trials}) == 1
        assert [trial.user_attrs.get("twin") for trial in study.trials] == [None, 0, 0]


def test_what_another_worker_evaluates_is_left_to_it():
    study = study_of(RandomSearch(SPACE))
    choices = {"cell.1.0": "none", "cell.2.0": "none", "cell.2.1": "none"}
    for _ in range(2):
        study.enqueue_trial(parameters_of(choices, SPACE))
    running = study.ask()
    running.set_user_attr(WORKER, worker_name())
    for decision in SPACE.decisions:
        running.suggest_categorical(decision, list(SPACE.ops))
    evaluator = Counting()
    trials(evaluator, 3).run(study)
    assert tuple(choices.items()) not in evaluator.asked
    assert study.trials[1].state is TrialState.FAIL
    assert "trial 0 evaluates the same" in study.trials[1].user_attrs["error"]


# ---- failures -------------------------------------------------------------------------------------------------------


def fail_every_third(choices, count):
    if count % 3 == 0:
        raise RuntimeError("out of luck")


def test_a_failed_trial_is_recorded_with_its_reason_and_stops_nobody():
    study = study_of(RandomSearch(SPACE))
    trials(Counting(fail_every_third), 10).run(study)
    failed = [trial for trial in study.trials if trial.state is TrialState.FAIL]
    assert finished(study) == 10
    assert len(failed) == 4
    line = fail_every_third.__code__.co_firstlineno + 2
    said = f"RuntimeError: out of luck ({__file__}:{line}, in fail_every_third)"
    assert {trial.user_attrs["error"] for trial in failed} == {said}


def test_a_search_that_gives_up_on_code_of_others_keeps_its_traceback():
    study = study_of(RandomSearch(SPACE))
    with pytest.raises(ValueError, match=r"^no such image") as raised:
        trials(lambda choices, trial: users_code(), 10, most_failures=3).run(study)
    assert type(raised.value) is ValueError
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "users_code"
    assert raised.value.__notes__ == ["3 trials in a row have failed, the last one, 2"]
    assert all(f"{__file__}:" in trial.user_attrs["error"] for trial in study.trials)


def test_a_search_that_gives_up_on_a_refusal_is_one_sentence():
    def refuse(choices, count):
        raise ArgumentError("channels must be at least 1, got 0")

    study = study_of(RandomSearch(SPACE))
    with pytest.raises(StudyError, match=r"the last one, 1, with ArgumentError: channels must be at least 1, got 0$"):
        trials(Counting(refuse), 10, most_failures=2).run(study)


def users_code():
    raise ValueError("no such image")


@pytest.mark.parametrize(
    ("value", "said"), [({"accuracy": float("nan")}, "not finite"), ({"loss": 1.0}, r"not measured \['accuracy'\]")]
)
def test_what_is_no_result_fails(value, said):
    study = study_of(RandomSearch(SPACE))
    with pytest.raises(StudyError, match=said):
        trials(lambda choices, trial: value, 10, most_failures=3).run(study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 3


def test_only_failures_in_a_row_end_a_search():
    study = study_of(RandomSearch(SPACE))
    trials(Counting(fail_every_third), 10, most_failures=2).run(study)
    assert finished(study) == 10


def test_an_interrupted_trial_is_queued_again():
    def interrupt(choices, count):
        if count == 3:
            raise KeyboardInterrupt

    study = study_of(RandomSearch(SPACE))
    evaluator = Counting(interrupt)
    with pytest.raises(KeyboardInterrupt):
        trials(evaluator, 5).run(study)
    again = Counting()
    trials(again, 5).run(study)
    assert again.asked[0] == evaluator.asked[2]


# ---- studies and storages -------------------------------------------------------------------------------------------


def test_a_study_of_another_space_or_objective_is_refused(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'study.db'}")
    study_of(RandomSearch(SPACE), storage)
    study_of(RandomSearch(SPACE), storage)
    with pytest.raises(StudyError, match="space"):
        study_of(RandomSearch(NasBench201()), storage, space=NasBench201())
    with pytest.raises(StudyError, match="objectives"):
        study_of(RandomSearch(SPACE), storage, objectives=(Objective("f1"),))


def test_pruning_several_objectives_is_refused():
    both = [METRIC, Objective("macs", larger_is_better=False)]
    with pytest.raises(StudyError, match="MedianPruner"):
        open_study(None, "s", SPACE, both, RandomSearch(SPACE), optuna.pruners.MedianPruner())


@pytest.mark.parametrize("storage", ["sqlite:////no/such/folder/study.db", "nosuchdb://host/name", "/proc/study.log"])
def test_a_storage_that_cannot_be_reached_is_named(storage):
    with pytest.raises(StudyError, match="cannot be reached") as error:
        open_storage(storage)
    assert storage in str(error.value)


def test_workers_that_start_together_create_one_database(tmp_path):
    fork = multiprocessing.get_context("fork")
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    workers = [fork.Process(target=open_storage, args=(storage,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [worker.exitcode for worker in workers] == [0] * 4


def test_a_study_without_a_completed_trial_has_no_best():
    with pytest.raises(StudyError, match="no trial"):
        best_trial(study_of(RandomSearch(SPACE)))


@pytest.mark.parametrize(
    ("arguments", "said"), [({"count": 0}, "count"), ({"reuse": "all"}, "reuse"), ({"most_failures": 0}, "most")]
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Trials(SPACE, accuracy, [METRIC], **{"count": 1, **arguments})


# ---- interruptions and workers --------------------------------------------------------------------------------------


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
    monkeypatch.setattr("lightning_nas.search.giving_up.PAUSE_S", 0.02)
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

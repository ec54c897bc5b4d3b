"""A search as a study: what is told, duplicates, storages."""

import multiprocessing
import time

import optuna
import pytest
from counting_study import METRIC, SPACE, Counting, accuracy, study_of, trials
from optuna.trial import TrialState

from lightning_nas.errors import StudyError
from lightning_nas.search.trials.giving_up import finished
from lightning_nas.search.trials.loop import Trials
from lightning_nas.search.trials.storage import WORKER, open_storage, worker_name
from lightning_nas.search.trials.study import Objective, best_trial, open_study
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import RandomSearch
from lightning_nas.strategies.blackbox import choices_of, parameters_of

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

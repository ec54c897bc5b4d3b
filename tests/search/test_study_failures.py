"""Trials that fail: recorded with their reason, queued again, the end of a search."""

import traceback

import pytest
from counting_study import SPACE, Counting, study_of, trials
from optuna.trial import TrialState

from lightning_nas.errors import ArgumentError, StudyError
from lightning_nas.search.trials.giving_up import finished
from lightning_nas.strategies import RandomSearch


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

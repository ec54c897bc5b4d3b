"""What is extrapolated from trainings that were cut short: exact numbers on made-up times."""

import pytest

from lightning_nas.estimation.amounts import Estimate, Part
from lightning_nas.estimation.measuring import extrapolated, measured
from lightning_nas.estimation.memory import Memory
from lightning_nas.estimation.recorded import Epoch, Fit, Loop
from lightning_nas.estimation.short import Recorder
from lightning_nas.search.workloads import Work


def epoch(step, *, count=5, first=None, validation=None, checkpoint=0.5, resting=False):
    """Of equal steps but the first one, with half a second for the checkpoint."""
    times = [first or step, *[step] * (count - 1)]
    loop = validation or Loop()
    return Epoch(times, loop, sum(times) + loop.seconds + checkpoint, resting)


def validation(step=0.25, *, count=4, batches=20, start=1.0, finish=0.2):
    times = [step + start, *[step] * (count - 1)]
    return Loop(times, batches, sum(times) + finish, finish)


def test_a_loop_is_its_start_its_batches_and_metrics_that_grow_with_them():
    loop = validation()
    assert loop.start == pytest.approx(1.0)
    assert loop.full() == pytest.approx(1.0 + 20 * 0.25 + 0.2 * 20 / 4)
    assert loop.full(devices=8) == pytest.approx(1.0 + 3 * 0.25 + 0.2 * 20 / 4)


def test_a_training_is_its_epochs_at_the_pace_of_the_steady_steps():
    fit = Fit(10, batches=100, epochs=[epoch(2.0, first=9.0), epoch(2.0, first=3.0, validation=validation())])
    steps, beside = 100 * 2.0, 1.0 + 1.0 + 0.5  # the loaders of both, the checkpoint
    assert fit.epoch() == pytest.approx(steps + beside + 20 * 0.25 + 1.0)
    assert fit.full() == pytest.approx(10 * fit.epoch())
    assert fit.epoch(devices=4) == pytest.approx(25 * 2.0 + beside + 5 * 0.25 + 1.0)


def test_what_was_seen_whole_is_told_as_it_was():
    seen = [epoch(2.0, first=4.0), epoch(2.0, first=3.0)]
    assert Fit(2, batches=5, epochs=seen[1:]).full() == pytest.approx(2 * seen[1].seconds)


def test_epochs_of_the_weights_alone_have_their_own_pace():
    fit = Fit(10, batches=100, epochs=[epoch(1.0, resting=True), epoch(3.0)])
    assert fit.epoch(resting=True) == pytest.approx(100 * 1.0 + 0.5)
    assert fit.full(warmup=4) == pytest.approx(4 * 100.5 + 6 * 300.5)
    assert Fit(10, batches=100, epochs=[epoch(3.0), epoch(3.0)]).full(warmup=4) == pytest.approx(10 * 300.5)


def test_a_timer_ends_a_training():
    assert Fit(10, batches=100, epochs=[epoch(2.0)], most=60.0).full() == 60.0


def test_a_training_without_a_step_takes_nothing():
    assert Fit(10).full() == 0.0


def test_the_rest_of_a_sample_stays_as_it_was():
    fit = Fit(3, batches=50, epochs=[epoch(1.0, checkpoint=0.0), epoch(1.0, checkpoint=0.0)])
    recorder = Recorder([fit], [validation(start=0.0, finish=0.0)])
    assert extrapolated(20.0, recorder) == pytest.approx(20.0 - 10.0 - 1.0 + 3 * 50.0 + 5.0)


@pytest.fixture
def time(monkeypatch):
    """A clock that works move on."""
    now = [0.0]
    monkeypatch.setattr("lightning_nas.estimation.short.clock", lambda: now[0])
    return now


def test_samples_are_taken_until_they_are_enough_and_the_first_one_may_take_longer(time, tmp_path):
    done = []

    def once(number):
        done.append(number)
        time[0] += 3.0 if number else 5.0
        (tmp_path / f"{number}.bin").write_bytes(b"12345678")

    (part,) = measured([Work("scoring", 100, once, "paths", samples=3)], Recorder(), tmp_path)
    assert done == [0, 1, 2]
    assert part.seconds == pytest.approx(5.0 + 99 * 3.0)
    assert (part.count, part.unit, part.kept) == (100, "paths", 800)


def test_what_was_done_whole_is_not_extrapolated(time, tmp_path):
    def once(number):
        time[0] += 1.0 + number

    (part,) = measured([Work("scoring", 3, once, "paths", samples=5)], Recorder(), tmp_path)
    assert part.seconds == pytest.approx(1.0 + 2.0 + 3.0)


def test_long_samples_are_few(time, tmp_path):
    done = []

    def once(number):
        done.append(number)
        time[0] += 100.0

    measured([Work("training", 5, once, samples=5)], Recorder(), tmp_path)
    assert done == [0]


def test_checkpoints_stay_or_pass(time, tmp_path):
    recorder = Recorder()

    def once(number):
        time[0] += 1.0
        recorder.fits.append(Fit(4, batches=1, epochs=[epoch(1.0)], checkpoint=1000, logs=10))

    works = [Work("networks", 3, once, samples=2), Work("trials", 3, once, samples=2, keeps=False)]
    networks, trials = measured(works, recorder, tmp_path)
    assert (networks.kept, networks.passing) == (3 * (1000 + 4 * 10), 1000)
    assert (trials.kept, trials.passing) == (3 * 4 * 10, 2000)


def test_only_what_is_shared_is_divided_over_devices(time, tmp_path):
    recorder = Recorder()

    def once(number):
        time[0] += 6.0
        recorder.fits.append(Fit(2, batches=80, epochs=[epoch(1.0, checkpoint=0.0)]))

    works = [Work("training", 1, once), Work("trials", 1, once, shared=False)]
    training, trials = measured(works, recorder, tmp_path, devices=8)
    assert training.seconds == pytest.approx(1.0 + 2 * 10)
    assert trials.seconds == pytest.approx(1.0 + 2 * 80)


def test_an_estimate_adds_up_and_its_disk_is_the_most_that_lies_there():
    parts = [
        Part("a", 1, "", 10.0, kept=100, passing=50),
        Part("b", 2, "trials", 30.0, 0.5, kept=10, passing=500, may_end_early=True),
        Part("c", 1, "", 1.0),
    ]
    estimate = Estimate(parts, Memory(process=5, workers=2))
    assert (estimate.seconds, estimate.kept, estimate.disk) == (41.0, 110, 610)
    assert estimate.range == pytest.approx((7.5 + 7.5 + 0.75, 12.5 + 45.0 + 1.25))


def test_memory_is_that_of_the_accelerator_where_there_is_one():
    assert (Memory(5, 2) | Memory(3, 4)) == Memory(5, 4)
    assert (Memory(5, 2).largest, Memory(5, 2, 9).largest) == (7, 9)

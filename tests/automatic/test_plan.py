"""How the time is divided, and what is asked for."""

from pathlib import Path

import pytest

from lightning_nas.automatic.layout import Layout
from lightning_nas.automatic.plan import FEWEST, MARGIN, SIDES, TimeError, divided, make_plan, training_epochs
from lightning_nas.cli import main
from lightning_nas.commands.automating.settings import OWN, read_settings
from lightning_nas.errors import ConfigError
from lightning_nas.estimation.pace import Pace

DATA = Layout(
    "class folders",
    "classification",
    "imagefolder",
    (),
    lambda side: [],
    {"train": 256, "val": 64},
    ("a", "b"),
    (300, 400),
)


def pace(side, batch):
    """Cost grows with the area: at 128 pixels 20 ms an image."""
    step = 0.02 * batch * (side / 128) ** 2
    return Pace(step, step / 3, train_batches=256 // batch, val_batches=64 // batch, start=1.0, memory=2**30)


@pytest.mark.parametrize("seconds", [300.0, 1200.0, 7200.0])
def test_a_plan_keeps_the_time_and_uses_most_of_it(seconds):
    plan = make_plan(DATA, seconds, pace)
    assert sum(plan.seconds) <= seconds * (1 - MARGIN)
    assert sum(plan.seconds) >= 0.6 * seconds - 60 or plan.search_epochs == 60
    assert plan.search_epochs >= FEWEST


def test_more_time_gives_larger_images_up_to_those_that_there_are():
    sides = [make_plan(DATA, seconds, pace).side for seconds in (200.0, 1200.0, 7200.0, 10**6)]
    assert sides == sorted(sides)
    assert sides[0] < sides[-1] == max(side for side in SIDES if side <= 300)


def test_what_is_given_is_kept():
    plan = make_plan(DATA, 1200.0, pace, side=96, batch=16)
    assert (plan.side, plan.batch_size) == (96, 16)


def test_short_times_leave_out_the_comparison_and_shorter_ones_are_refused():
    slow = Pace(1.0, 0.1, train_batches=60, val_batches=10, start=1.0, memory=0)
    short = divided(128, 4, 360.0, slow)
    assert (short.random, short.hand_made) == (0, False)
    with pytest.raises(TimeError, match=r"time = 60 s: one epoch takes about 61 s .* need \d+ s at least"):
        divided(128, 4, 60.0, slow)
    least = next(seconds for seconds in range(60, 400) if _fits(slow, seconds))
    with pytest.raises(TimeError, match=f"need {least}|{least - 1}|{least + 1} s at least"):
        divided(128, 4, least - 5, slow)


def _fits(slow, seconds):
    try:
        return divided(128, 4, float(seconds), slow).train_epochs >= 1
    except TimeError:
        return False


def test_the_training_takes_what_is_left():
    assert training_epochs(10.0, pace(128, 4)) == 1
    assert training_epochs(600.0, pace(128, 4)) == int((0.95 * 600 - 25) / pace(128, 4).epoch)


def test_settings_are_read_and_the_rest_is_handed_on():
    settings = read_settings(
        [
            "data=photos",
            "time=1h30m",
            "latency_ms=15",
            "task.lr=0.1",
            "search.epochs=3",
            "epochs=9",
            "+trainer.precision=16",
        ]
    )
    assert (settings.seconds, settings.latency_ms, settings.out) == (5400.0, 15.0, Path("runs/auto/photos"))
    assert settings.overrides_of("search") == ["task.lr=0.1", "search.epochs=3", "+trainer.precision=16"]
    assert settings.overrides_of("train") == ["task.lr=0.1", "epochs=9", "+trainer.precision=16"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["time=1h"], "data is missing"),
        (["data=x"], "time is missing"),
        (["data=x", "time=soon"], "time = 'soon': expected hh:mm:ss"),
        (["data=x", "time="], "time is missing"),
        (["data=x", "time=0s"], "time = '0s'"),
        (["data=x", "time=1h", "latency_ms=-3"], "latency_ms = '-3': expected a number"),
        (["data=x", "time=1h", "size=12.5"], "size = '12.5': expected a whole number"),
        (["data=x", "time=1h", "time=2h"], "time is there twice"),
        (["data=x", "time=1h", "fast"], "'fast': expected key=value"),
    ],
)
def test_wrong_settings_are_named(arguments, said):
    with pytest.raises(ConfigError, match=said):
        read_settings(arguments)


def test_help_shows_the_keys(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["auto", "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "lightning-nas auto data=<folder> time=" in printed
    assert all(f"\n  {key}=" in printed for key in OWN)


@pytest.mark.parametrize("arguments", [["data=nowhere", "time=1h"], ["data=.", "time=never"]])
def test_a_refusal_is_one_sentence(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SystemExit, match=r"^error: (data = 'nowhere': there is no such folder|time = 'never': expected)"
    ):
        main(["auto", *arguments])
    assert list(tmp_path.iterdir()) == []


def test_batches_shrink_until_they_fit_into_the_memory_and_images_after_that():
    def hungry(side, batch):
        return Pace(
            0.001 * batch, 0.001, train_batches=256 // batch, val_batches=8, start=1.0,
            memory=1000 + 10 * batch * side**2 // 128**2, before=1000,
        )  # fmt: skip

    roomy = make_plan(DATA, 7200.0, hungry, side=128)
    assert (roomy.side, roomy.batch_size) == (128, 4)
    many = Layout(**{**vars(DATA), "images": {"train": 4000, "val": 64}})
    assert make_plan(many, 7200.0, hungry, side=128).batch_size == 32
    assert make_plan(many, 7200.0, hungry, side=128, free=1000 + 10 * 20).batch_size == 16
    assert make_plan(many, 7200.0, hungry, side=128, free=1).batch_size == 4
    assert make_plan(many, 7200.0, hungry, side=128, batch=32, free=1).batch_size == 32
    small = make_plan(many, 7200.0, hungry, free=1000 + 10 * 4)
    assert (small.side, small.batch_size) == (128, 4)


def test_the_disk_holds_all_that_a_run_leaves():
    pace = Pace(0.1, 0.05, train_batches=60, val_batches=20, start=1.0, memory=0, checkpoint=300, weights=100)
    plan = divided(128, 4, 1200.0, pace)
    others = plan.random + 3 * plan.hand_made
    assert plan.disk == (5 + others) * 300 + 7 * 100

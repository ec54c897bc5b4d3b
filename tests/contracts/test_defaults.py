"""A value has one home: what a base config says is what its component does when it is built without one.

Files ``<name>_small``, recipes, and presets, which build on another strategy's file, are there to differ.
"""

import dataclasses
import inspect

import pytest
from config_files import CONF, composed, composed_files
from hydra.utils import get_object
from omegaconf import OmegaConf

from lightning_nas.commands.schema import SearchSchema, TrainSchema

FILES = [
    path
    for path in sorted(CONF.glob("*/*.yaml"))
    if path.parent.name not in ("hydra", "recipe")
    and "_small" not in path.stem
    and not (path.parent.name == "strategy" and "defaults" in OmegaConf.load(path))
]
ON_THIS_MACHINE = {
    "trainer/default": {"devices": 1},
    "trainer/ddp": {"devices": -1, "strategy": "ddp"},
    "logger/mlflow": {"experiment_name": "lightning_nas"},
    **{f"logger/{name}": {"name": None} for name in ("tensorboard", "default")},
    "logger/many": {"name": None, "experiment_name": "lightning_nas"},
}
"""Where a run computes and who is told: Lightning takes all devices that it finds, a command one unless it is asked for more;
and a run has a folder and a name, which Lightning does not know."""


def given(path):
    """The part of a command's config that a file gives, without the recipe that its task starts from."""
    group, name = path.parent.name, path.stem
    if group == "what":
        return composed(f"what={name}", command="benchmark")
    if group == "task":  # sets more than its own group
        return composed("recipe=default/small", f"task={name}")[group]
    return composed_files(group)[name]


def components(node, key=""):
    """Every part with a ``_target_``, with its place."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node
        for name, part in node.items():
            yield from components(part, f"{key}.{name}".lstrip("."))


def plain(value):
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def defaults(target):
    """The arguments of a class or function that have a default. One of another library that is None decides by itself."""
    built = {}
    if dataclasses.is_dataclass(target):
        fields = [field for field in dataclasses.fields(target) if field.default_factory is not dataclasses.MISSING]
        built = {field.name: field.default_factory() for field in fields}
    given = {
        name: built.get(name, parameter.default)
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.default is not parameter.empty
    }
    ours = target.__module__.startswith("lightning_nas.")
    return {name: value for name, value in given.items() if ours or value is not None}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_base_config_equals_the_defaults_of_the_code(path):
    allowed = ON_THIS_MACHINE.get(f"{path.parent.name}/{path.stem}", {})
    differences = []
    for key, node in components(OmegaConf.to_container(given(path))):
        home = defaults(get_object(node["_target_"]))
        for name, value in node.items():
            said = str(value).startswith("${") or value == "???" or name not in home
            if not said and plain(value) != plain(home[name]) and allowed.get(name) != value:
                differences.append(f"{key}.{name}".lstrip(".") + f" = {value!r}, the code says {home[name]!r}")
    assert not differences


@pytest.mark.parametrize(("command", "schema"), [("search", SearchSchema), ("train", TrainSchema)])
def test_a_command_equals_the_defaults_of_its_schema(command, schema):
    said = OmegaConf.to_container(OmegaConf.load(CONF / f"{command}.yaml"))
    home = OmegaConf.to_container(OmegaConf.structured(schema))
    keys = set(said) - {"defaults", "hydra"}
    assert {key: said[key] for key in keys} == {key: home[key] for key in keys}


def test_a_small_config_builds_on_its_base():
    small = [path for path in sorted(CONF.glob("*/*_small.yaml")) if path.parent.name != "recipe"]
    assert len(small) >= 10
    for path in small:
        base = path.with_name(path.name.replace("_small", ""))
        builds_on = OmegaConf.load(path).defaults
        assert base.is_file()
        assert base.stem in builds_on or all("_small" in str(part) for part in builds_on)

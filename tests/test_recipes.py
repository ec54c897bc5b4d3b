"""Recipes: what a task starts from, those of papers, and the names that they once had."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from lightning_nas.commands.renamed import RENAMED
from lightning_nas.commands.schema import register_schemas

CONF = Path(__file__).resolve().parents[1] / "conf"
RECIPES = sorted(path.relative_to(CONF / "recipe").with_suffix("") for path in (CONF / "recipe").rglob("*.yaml"))


def composed(command, *overrides):
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose(command, list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_recipe_is_for_the_command_that_its_name_says(recipe):
    command = "train" if "train" in recipe.name else "search"
    config = composed(command, f"recipe={recipe}")
    assert config.hydra.runtime.choices.recipe == str(recipe)
    assert command == "train" or all(config[group] for group in ("space", "strategy", "evaluator"))


def test_a_task_starts_from_its_own_recipe_and_a_paper_replaces_it():
    assert composed("search", "task=detection").hydra.runtime.choices.recipe == "detection/small"
    assert composed("train", "task=detection").task.min_size == 128
    assert composed("train", "recipe=retinanet/train").task.min_size == 800
    assert composed("train", "task=detection", "recipe=default/small_train").task.min_size == 800


def test_a_task_needs_no_recipe(tmp_path):
    for group, text in (("task", "defaults:\n  - override /data: depth\ntask:\n  width: 3\n"), ("data", "n: 1\n")):
        (tmp_path / group).mkdir()
        header = "# @package _global_\n" if group == "task" else ""
        (tmp_path / group / "depth.yaml").write_text(header + text)
    more = f"hydra.searchpath=[file://{tmp_path}]"
    config = composed("search", "task=depth", more)
    assert (config.task, config.data) == ({"width": 3}, {"n": 1})
    assert config.space == composed("search").space
    assert composed("search", "task=depth", "space=chain_small", more).space.stem_channels == 16
    assert composed("train", "task=depth", more).task == {"width": 3}


def test_a_task_of_others_may_have_a_recipe_too(tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "recipe" / "depth").mkdir(parents=True)
    (tmp_path / "task" / "depth.yaml").write_text("# @package _global_\ndefaults:\n  - optional /recipes: depth\n")
    text = "# @package _global_\ndefaults:\n  - /recipe/default/small\nsearch:\n  epochs: 3\n"
    (tmp_path / "recipe" / "depth" / "small.yaml").write_text(text)
    assert composed("search", "task=depth", f"hydra.searchpath=[file://{tmp_path}]").search.epochs == 3


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_answered_with_the_new_one(here, old, new):
    group, _, name = new.partition("=")
    assert (CONF / group / f"{name}.yaml").is_file()
    for given in (old, f"{old},other"):
        with pytest.raises(SystemExit) as refused:
            here("search", given)
        assert str(refused.value) == f"error: {old} is now {new}"
    assert not list(here.folder.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("experiment=mine", "the group experiment is now recipe"),
        ("recipe=darts/serch", "recipe=darts/serch: there is no such option; there are auto_deeplab/search"),
        ("recipe=mine", "did you mean"),
    ],
)
def test_a_recipe_that_does_not_exist_is_answered_with_those_that_do(here, given, said):
    with pytest.raises(SystemExit) as refused:
        here("search", given)
    assert said in str(refused.value) or "darts/search" in str(refused.value)


def test_help_lists_the_recipes(here, capsys):
    with pytest.raises(SystemExit):
        here("search", "--help", "task=detection")
    page = capsys.readouterr().out
    assert "darts/search" in page
    assert "keys of recipe=detection/small (<key>=value)" in page
    assert "recipes:" not in page


def test_small_recipes_are_the_only_ones_of_tasks():
    tasks = {path.stem for path in (CONF / "task").glob("*.yaml")} | {"default"}
    names = {recipe.name for recipe in RECIPES if recipe.parent.name in tasks}
    assert names == {"small", "small_train"}
    assert OmegaConf.load(CONF / "recipe" / "default" / "small_train.yaml") == {}

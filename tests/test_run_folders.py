"""A run folder holds one run: another command is refused there, the same one goes on."""

import json
import shutil

import pytest
from omegaconf import OmegaConf
from PIL import Image

SEARCH = (
    "space=nasbench201", "space.channels=4", "space.cells=1", "strategy=random", "evaluator=zero_cost", "trials.count=2",
    "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false", "trainer.accelerator=cpu",
    "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip
TRAIN = (
    "++network.channels=4", "++network.cells=2", "trainer.accelerator=cpu", "trainer.limit_train_batches=1",
    "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def searched(here):
    here("search", *SEARCH, "hydra.run.dir=searched")
    return here.folder / "searched"


@pytest.fixture(scope="module")
def trained(here):
    here("train", "architecture=darts_v2", *TRAIN, "epochs=1", "hydra.run.dir=trained")
    return here.folder / "trained"


def refusal(here, folder, name, *arguments):
    """What is said to a command that must leave the folder as it is."""
    before = content(folder)
    with pytest.raises(SystemExit) as stopped:
        here(name, *arguments, f"hydra.run.dir={folder.name}")
    assert content(folder) == before
    return str(stopped.value.code)


def test_another_search_in_a_used_folder_is_refused_and_what_differs_is_named(here, searched):
    said = refusal(here, searched, "search", *SEARCH, "strategy=tpe", "seed=7", "space.channels=8", "task.lr=0.5")
    assert "strategy (RandomSearch, now TPESampler)" in said
    assert "seed (0, now 7)" in said
    assert "space.channels (4, now 8)" in said
    assert "task.lr" in said
    assert "trials.count=2" in said, "the first command is told"
    assert "data (DigitsDataModule, now " in refusal(
        here, searched, "search", *SEARCH, "data=imagefolder", "data.root=."
    )


def test_the_same_search_goes_on_in_its_folder_with_another_budget_of_time(here, searched):
    architecture = (searched / "architecture.json").read_bytes()
    here("search", *SEARCH, "hydra.run.dir=searched", "resume=true", "max_time=01:00:00:00", "data.num_workers=0")
    assert (searched / "architecture.json").read_bytes() == architecture
    assert "resume" not in (searched / ".hydra" / "overrides.yaml").read_text(), "the first command stays on record"


def test_another_command_in_the_folder_of_a_search_is_refused(here, searched):
    said = refusal(here, searched, "train", "architecture=darts_v2", *TRAIN, "epochs=1")
    assert "command (search, now train)" in said


def test_another_architecture_in_the_folder_of_a_training_is_refused_before_anything_is_written(here, trained):
    said = refusal(here, trained, "train", "architecture=pc_darts_cifar", *TRAIN, "epochs=1")
    assert "architecture (darts_v2, now pc_darts_cifar)" in said


def test_a_training_is_made_neither_longer_nor_shorter_than_its_schedules(here, trained):
    """The cosine of one epoch has ended; that of another number is another one."""
    here("train", "architecture=darts_v2", *TRAIN, "epochs=2", "hydra.run.dir=two")
    for folder, epochs, now in ((trained, 1, 2), (here.folder / "two", 2, 1)):
        said = refusal(here, folder, "train", "architecture=darts_v2", *TRAIN, f"epochs={now}")
        assert f"epochs ({epochs}, now {now})" in said


def test_an_architecture_file_that_has_changed_since_is_noticed(here):
    from lightning_nas.spaces import published

    file = here.folder / "mine.json"
    published("darts_v2").save(file)
    here("train", "architecture=mine.json", *TRAIN, "epochs=1", "hydra.run.dir=mine")
    published("pc_darts_cifar").save(file)
    said = refusal(here, here.folder / "mine", "train", "architecture=mine.json", *TRAIN, "epochs=1")
    assert "another architecture was trained there" in said


def test_a_folder_whose_results_belong_to_no_known_command_is_refused(here):
    folder = here.folder / "foreign"
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps({}))
    assert "no .hydra/config.yaml" in refusal(here, folder, "train", "architecture=darts_v2", *TRAIN, "epochs=1")


def test_a_folder_in_which_nothing_was_done_takes_the_corrected_command(here):
    with pytest.raises(SystemExit):
        here("search", *SEARCH, "evaluate.draws=0", "hydra.run.dir=corrected")
    here("search", *SEARCH, "seed=1", "hydra.run.dir=corrected")
    assert json.loads((here.folder / "corrected" / "summary.json").read_text())["seed"] == 1


class Mine:
    """A class of the user's own project that stands for a task."""

    def __new__(cls, **arguments):
        from lightning_nas.tasks.classification import ClassificationTask

        return ClassificationTask(**{**arguments, "lr": 0.5})


@pytest.fixture(scope="module")
def foreign(here, trained):
    """Writes another config into a copy of a finished run."""
    images = here.folder / "images"
    images.mkdir()
    Image.new("L", (8, 8)).save(images / "0.png")

    def write(change):
        folder = here.folder / "foreign_run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(trained, folder)
        config = OmegaConf.load(folder / ".hydra" / "config.yaml")
        OmegaConf.save(OmegaConf.merge(config, change), folder / ".hydra" / "config.yaml")
        return folder

    return write


MKDIR = {"_target_": "os.mkdir", "path": "executed"}


@pytest.mark.parametrize(
    "change",
    [
        {"task": MKDIR},
        {"task": {**MKDIR, "_target_": "lightning_nas.architecture.io.os.mkdir"}},
        {"task": {"_target_": "lightning_nas.commands.check.get_object", "path": "os.mkdir"}},
        {"task": {"_target_": "lightning_nas.search.trials.storage.psutil.Popen", "args": ["mkdir", "executed"]}},
        {"task": {"lr": MKDIR}},
        {"task": {"lr": [1, {"a": MKDIR}]}},
        {"evaluate": {"task": MKDIR}},
        {"task": {"_target_": "${hidden}", "path": "executed"}, "hidden": "os.mkdir"},
    ],
)
def test_nothing_that_a_foreign_run_names_is_executed(here, foreign, change):
    run = foreign(change)
    with pytest.raises(SystemExit, match=r"_target_ = .* classes of lightning_nas alone"):
        here("predict", f"run={run.name}", "images=images")
    assert not (here.folder / "executed").exists()


def test_a_class_that_the_users_own_command_allows_is_built(here, foreign):
    run = foreign({"task": {"_target_": "test_run_folders.Mine"}})
    with pytest.raises(SystemExit, match=r"add allow=\[test_run_folders.Mine\]"):
        here("predict", f"run={run.name}", "images=images")
    here("predict", f"run={run.name}", "images=images", "allow=[test_run_folders.Mine]", "device=cpu")
    assert list((run / "predictions").iterdir())


@pytest.mark.parametrize(
    ("name", "text"),
    [(".hydra/config.yaml", b"task: [1"), (".hydra/config.yaml", b"- 1"), (".hydra/config.yaml", b"\xff\xfe\x00"),
     ("summary.json", b"[" * 100_000), ("summary.json", b"\xff"), ("summary.json", b"{}")],
)  # fmt: skip
def test_a_damaged_file_of_a_run_is_named(here, foreign, name, text):
    run = foreign({})
    (run / name).write_bytes(text)
    with pytest.raises(SystemExit, match=f"error: .*{name}: (not |missing keys)"):
        here("predict", f"run={run.name}", "images=images")

"""The guides are true: links lead somewhere, commands compose, Python runs, quoted sentences are those of the code."""

import contextlib
import inspect
import re
from collections import Counter

import pytest
import yaml
from guides import GUIDES, ROOT, commands, is_said, overrides_of, texts_of_code
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, ValidationError
from pytorch_lightning import Trainer

from lightning_nas.commands.automating.settings import read_settings
from lightning_nas.commands.completing import completed
from lightning_nas.commands.documenting.guides import page_of, read_guide
from lightning_nas.commands.estimate import split
from lightning_nas.commands.groups import register_training_keys
from lightning_nas.commands.main import COMMANDS
from lightning_nas.commands.schema import register_schemas
from lightning_nas.errors import ConfigError

LINKS = [(guide.file.name, link) for guide in GUIDES for link in guide.links]
SHOWN = commands()


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_links_and_anchors_lead_somewhere(name, link):
    (guide,) = [guide for guide in GUIDES if guide.file.name == name]
    place, _, anchor = link.partition("#")
    assert not re.match(r"https?:", link), "a reader may be without a network"
    if place.startswith("../../tasks/"):  # installed as lightning_nas.tasks
        assert (ROOT / place.removeprefix("../../")).is_file()
        return
    target = (guide.file.parent / place) if place else guide.file
    assert target.is_file()
    assert not anchor or anchor in read_guide(target).anchors
    assert page_of(link)


def test_every_guide_is_listed_on_the_first_page_and_in_the_readme_of_the_repository():
    (first,) = [guide for guide in GUIDES if guide.file.name == "README.md"]
    assert {guide.file.name for guide in GUIDES} - {"README.md"} == {
        link for link in first.links if "/" not in link and link.endswith(".md")
    }
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\[[^]]+\]\(((?:lightning_nas|scripts)/[^)]*)\)", text)
    assert "lightning_nas/guide/README.md" in links
    assert all((ROOT / link).is_file() for link in links)
    assert "`lightning-nas docs open=true`" in text


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.file.stem)
def test_guides_are_short_and_their_anchors_differ(guide):
    assert len(guide.file.read_text(encoding="utf-8").splitlines()) <= 200
    assert max(Counter(guide.anchors).values()) == 1


@pytest.mark.parametrize(("name", "line", "command", "arguments"), SHOWN, ids=lambda value: str(value)[:60])
def test_commands_compose(name, line, command, arguments):
    assert command in COMMANDS
    register_schemas()
    register_training_keys()
    overrides = overrides_of(arguments)
    if command == "estimate":
        command, overrides = split(overrides)
    if command == "auto":
        settings = read_settings([item.replace("'", "") for item in overrides])
        composed = {name: settings.overrides_of(name) for name in ("search", "train")}
    else:  # of a model that is not there nothing follows
        composed = {command: overrides if command == "train" else completed(command, overrides)}
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        for name, items in composed.items():
            compose(name, items)


def test_commands_are_found_and_a_wrong_key_would_be_noticed():
    assert len(SHOWN) > 40
    assert {command for _, _, command, _ in SHOWN} >= {"search", "train", "predict", "export", "auto", "estimate"}
    with pytest.raises(Exception, match="epoch"):
        test_commands_compose("", "", "train", "epoch=3")


# settings that are named in running text, outside of the blocks
INLINE = sorted({
    setting
    for guide in GUIDES
    for token in guide.tokens
    for child in token.children or ()
    if child.type == "code_inline"
    for setting in child.content.split()
    if re.fullmatch(r"\+{0,2}[a-z_]+(\.[a-z_]+)+=\S+", setting) and not setting.startswith("hydra.")
})  # fmt: skip
BASES = (
    ("search", "strategy=elastic", "space=elastic"), ("search", "strategy=darts", "space=auto_deeplab"),
    ("search", "strategy=single_path"), ("search", "task=segmentation", "data=masks"),
    ("search", "task=detection", "data=coco"), ("search", "data=imagefolder", "prefilter=synflow"), ("train",),
)  # fmt: skip


@pytest.fixture(scope="module")
def configs():
    """Those of some tasks, strategies and data."""
    register_schemas()
    register_training_keys()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return [compose(command, list(base)) for command, *base in BASES]


def known(setting, configs):
    """Whether some of these configs have the key, and take the value; one that is added must be of the Trainer."""
    key, _, value = setting.partition("=")
    if setting.startswith("+"):
        return key.lstrip("+").removeprefix("trainer.") in inspect.signature(Trainer).parameters or "network" in key
    taken = False
    for config in configs:
        with contextlib.suppress(ValidationError, ConfigAttributeError, ConfigKeyError):
            OmegaConf.update(config, key, yaml.safe_load(value))
            taken = True
    return taken


@pytest.mark.parametrize("setting", INLINE)
def test_settings_that_the_text_names_exist(configs, setting):
    assert known(setting, configs)


def test_a_setting_that_does_not_exist_would_be_noticed(configs):
    assert len(INLINE) > 20
    for wrong in ("data.bach_size=4", "search.epochs=many", "+trainer.epochs=3"):
        assert not known(wrong, configs)


QUOTED = [
    (guide.file.stem, " ".join(content.content.split()))
    for guide in GUIDES
    for opening, content in zip(guide.tokens, guide.tokens[2:], strict=False)
    if opening.type == "blockquote_open"
]


@pytest.fixture(scope="module")
def texts():
    return texts_of_code()


@pytest.mark.parametrize(("name", "quoted"), QUOTED, ids=lambda value: value[:40])
def test_quoted_sentences_are_those_of_the_code(texts, name, quoted):
    assert is_said(quoted, texts)


def test_a_sentence_that_nobody_says_would_be_noticed(texts):
    assert len(QUOTED) >= 20
    assert not is_said("unknown key ...; ... --help lists no keys", texts)


def test_the_python_of_the_guides_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    python = {guide.file.stem: [code for language, code in guide.code if language == "python"] for guide in GUIDES}
    program = "\n".join(python["your-project"])
    for shown, small in (("batch_size=16", "batch_size=32"), ("torch.rand(64, 3, 16, 16)", "torch.rand(64, 3, 8, 8)")):
        assert program.count(shown) == 1
        program = program.replace(shown, small)
    exec(compile(program, "your-project.md", "exec"), {"__name__": "guide"})
    assert (tmp_path / "architecture.json").is_file()
    assert {"by_paths", "by_trials", "tagger.ckpt"} <= {path.name for path in tmp_path.iterdir()}
    for name in ("deploy", "components"):  # one needs a run, the other would register an operation for good
        for code in python[name]:
            compile(code, name, "exec")


def test_a_link_to_something_without_a_page_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"link = '\.\./\.\./conf/search.yaml': expected another guide"):
        page_of("../../conf/search.yaml")
    (tmp_path / "x.md").write_text("no heading\n")
    with pytest.raises(ConfigError, match="expected a heading"):
        read_guide(tmp_path / "x.md")

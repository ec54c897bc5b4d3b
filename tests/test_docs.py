"""``lightning-nas docs``: pages of the guides and of the API, in one folder."""

import re
import sys
import webbrowser

import pytest

from lightning_nas.commands.documenting.guides import FOLDER, REFERENCE, build_guides, page_of
from lightning_nas.commands.documenting.reference import build_reference, module_names
from lightning_nas.commands.main import main

SUBSET = ("lightning_nas.errors", "lightning_nas.ops", "lightning_nas.ops.registry", "lightning_nas.tasks.images.parts")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The guides, and the reference of a few modules."""
    out = tmp_path_factory.mktemp("docs")
    build_guides(out)
    assert build_reference(out / REFERENCE, SUBSET) == []
    return out


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """Runs the command in a folder of its own, with the reference of a few modules; gives what was opened."""
    opened = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-nas"])
    monkeypatch.setattr(
        "lightning_nas.commands.documenting.reference.module_names", lambda: [SUBSET[0], "lightning_nas"]
    )
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))

    def run(*arguments):
        main(["docs", *arguments])
        return opened

    return run


def hrefs(text):
    return [link for link in re.findall(r'<a[^>]* href="([^"]+)"', text) if not re.match(r"https?:|#|mailto:", link)]


def test_every_guide_has_a_page_whose_links_lead_somewhere(pages):
    assert {path.name for path in pages.glob("*.html")} == {page_of(file.name) for file in FOLDER.glob("*.md")}
    known = set(module_names())
    for page in pages.glob("*.html"):
        text = page.read_text()
        assert text.count("<h1") == 1
        for link in hrefs(text):
            place, _, anchor = link.partition("#")
            if place.startswith(REFERENCE):
                assert place.removeprefix(f"{REFERENCE}/").removesuffix(".html").replace("/", ".") in known, link
            else:
                assert f'id="{anchor}"' in (pages / place).read_text() if anchor else (pages / place).is_file(), link


def test_a_page_of_the_reference_shows_docstrings_and_leads_back(pages):
    page = pages / REFERENCE / "lightning_nas" / "ops" / "registry.html"
    text = page.read_text()
    assert "register" in text
    for expected in ("build_op", "op_names"):
        assert f'id="{expected}"' in text
    back = next(link for link in hrefs(text) if link.endswith("index.html"))
    assert (page.parent / back).resolve() == (pages / "index.html").resolve()
    package = pages / REFERENCE / "lightning_nas" / "ops.html"
    below = [link for link in hrefs(package.read_text()) if link.endswith("registry.html")]
    assert (package.parent / below[0]).resolve() == page.resolve()
    assert "module_not_there" not in (pages / REFERENCE / "search.js").read_text()
    assert "build_op" in (pages / REFERENCE / "search.js").read_text()


def test_a_module_that_cannot_be_imported_is_named_and_the_others_have_pages(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_nas.networks.timm", None)  # as if its package were not installed
    problems = build_reference(tmp_path, ["lightning_nas.errors", "lightning_nas.networks.timm"])
    assert [problem.partition(":")[0] for problem in problems] == ["lightning_nas.networks.timm"]
    assert [path.name for path in tmp_path.rglob("*.html")] == ["errors.html"]


def test_every_module_but_those_of_the_terminal_has_a_page():
    names = module_names()
    assert {"lightning_nas", "lightning_nas.search.gradient.module", "lightning_nas.tasks.detection"} <= set(names)
    assert not [name for name in names if re.match(r"lightning_nas\.(cli|commands|conf|guide)\b", name)]
    assert len(set(names)) == len(names)


def test_the_command_builds_opens_and_replaces_its_own_folder_alone(docs, tmp_path, capsys):
    assert docs("out=pages", "open=true") == [(tmp_path / "pages" / "index.html").as_uri()]
    assert (tmp_path / "pages" / REFERENCE / "lightning_nas.html").is_file()
    assert "8 guides" in capsys.readouterr().out
    (tmp_path / "pages" / "old.html").touch()
    docs("out=pages")
    assert not (tmp_path / "pages" / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").touch()
    with pytest.raises(SystemExit, match="out = 'mine': something else is there: name a new folder"):
        docs("out=mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["index.html"]
    with pytest.raises(SystemExit, match="out = None: name a folder for the pages"):
        docs("out=null")


def test_without_its_packages_it_says_what_to_install(docs, tmp_path, monkeypatch):
    for name in list(sys.modules):
        if name.startswith("lightning_nas.commands.documenting."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    with pytest.raises(SystemExit, match=r"markdown_it is not installed: pip install 'lightning-nas\[docs\]'"):
        docs("out=pages")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_whole_reference_is_built_without_a_warning(tmp_path):
    names = module_names()
    assert build_reference(tmp_path, names) == []
    assert len(list(tmp_path.rglob("*.html"))) == len(names)

"""The page of a run: complete, self-contained, safe, and honest about what is missing."""

import json
import re
from html.parser import HTMLParser

import pytest
from conftest import make_summary

from lightning_nas.report.page import build
from lightning_nas.report.run_folder import ReportError


class Page(HTMLParser):
    """Text, tags and attributes of a page."""

    VOID = ("meta", "br", "link", "img", "input", "hr", "path", "use", "rect", "circle", "line")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_other_file(run_folder):
    text = build(run_folder).read_text()
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href") and value]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert 'name="viewport"' in text


def test_everything_that_a_reader_asks_is_on_it(run_folder):
    text = build(run_folder).read_text()
    for said in ("Normal cell", "Reduction cell", "0.9711", "151,322", "9,423,104", "14.2", "hand-made: residual"):
        assert said in text
    assert "random architectures, mean ± spread of 3" in text
    assert text.count('class="area"') == 28  # 14 edges in each of two cells
    assert text.count("sep 3×3") >= 5


def test_a_run_without_search_has_no_empty_charts(run_folder):
    (run_folder / "history.jsonl").unlink()
    text = build(run_folder).read_text()
    assert 'class="area"' not in text
    assert "nothing to judge" in text


def test_names_from_files_are_text_not_markup(run_folder):
    summary = make_summary(data="<script>alert(1)</script>")
    summary["comparison"][1]["name"] = "<img src=x onerror=alert(1)>"
    (run_folder / "summary.json").write_text(json.dumps(summary))
    page = Page(build(run_folder).read_text())
    assert "script" not in page.tags
    assert "img" not in page.tags


@pytest.mark.parametrize("name", ["summary.json", "architecture.json"])
def test_a_folder_that_is_no_finished_run_is_refused_by_file_name(run_folder, name):
    (run_folder / name).unlink()
    with pytest.raises(ReportError, match=name):
        build(run_folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("summary.json", "{", "summary.json"),
        ("summary.json", "{}", "missing keys"),
        ("history.jsonl", '{"epoch": 0}\n{"epoch": 1}\n', "history.jsonl, line 1"),
        ("metrics.csv", "a,b\n1,2\n", "metrics.csv"),
    ],
)
def test_a_malformed_file_is_named(run_folder, name, content, said):
    (run_folder / name).write_text(content)
    with pytest.raises(ReportError, match=re.escape(said)):
        build(run_folder)

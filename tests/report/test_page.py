"""The page of a run: complete, self-contained, safe, and honest about what is missing."""

import json
import re
from html.parser import HTMLParser

import pytest
from searched_run import make_older_summary, make_summary

from lightning_nas.errors import ReportError
from lightning_nas.networks.hand_made import RESIDUAL
from lightning_nas.report.page import build
from lightning_nas.runs.contents import Summary


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


def cells(page, heading):
    """The rows of the table under a heading."""
    section = page[page.index(f"<h2>{heading}</h2>") :].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in section.split("<tr")[1:]]
    return [tuple(row) for row in rows]


def test_cost_is_shown_of_the_backbone_and_of_the_whole_network(run_folder):
    page = build(run_folder).read_text()
    assert cells(page, "What it costs") == [
        ("", "Backbone", "Whole network"),
        ("Parameters", "151,322", "152,612"),
        ("Multiply-adds", "9,423,104", "9,424,384"),
        ("Latency, median", "14.21 ms", "15.21 ms"),
        ("Latency, 10 % to 90 %", "13.90 to 16.77 ms", "13.90 to 16.77 ms"),
    ]
    assert "For one image of 1 x 8 x 8." in page
    assert "measured on cpu, 2 threads" in page
    title, found, drawn, *_ = cells(page, "Was it worth the search?")
    assert title[2:] == (
        "Parameters, backbone", "Parameters, whole network", "Multiply-adds, backbone", "Multiply-adds, whole network",
    )  # fmt: skip
    assert found[2:] == ("151.32 k", "152.61 k", "9.42 M", "9.42 M")
    assert drawn[2:] == ("139.00 k", "140.29 k", "8.50 M", "8.50 M")


def test_in_what_the_network_made_by_hand_equals_the_found_one_is_said(run_folder):
    said = "has about as many parameters as the found one; nothing else is matched"
    assert said not in build(run_folder).read_text()
    summary = make_summary()
    summary["comparison"][-1]["name"] = RESIDUAL
    (run_folder / "summary.json").write_text(json.dumps(summary))
    assert said in build(run_folder).read_text()


def test_a_network_that_could_not_be_run_is_not_counted(run_folder):
    summary = make_summary()
    for cost in (summary["cost"], *summary["comparison"]):
        cost["network"] = None
    (run_folder / "summary.json").write_text(json.dumps(summary))
    page = build(run_folder).read_text()
    assert cells(page, "What it costs")[1] == ("Parameters", "151,322", "not counted")
    assert cells(page, "Was it worth the search?")[2][2:] == ("139.00 k", "not counted", "8.50 M", "not counted")
    assert "The task could not be run for one image" in page


def test_a_run_of_a_version_that_counted_the_backbone_alone_is_read_and_says_so(run_folder):
    (run_folder / "summary.json").write_text(json.dumps(make_older_summary()))
    page = build(run_folder).read_text()
    assert cells(page, "What it costs")[1:] == [
        ("Parameters", "151,322", "not counted"),
        ("Multiply-adds", "9,423,104", "not counted"),
        ("Latency, median", "14.21 ms", "not counted"),
        ("Latency, 10 % to 90 %", "13.90 to 16.77 ms", "not counted"),
    ]
    assert cells(page, "Was it worth the search?")[1][2:] == ("151.32 k", "not counted", "9.42 M", "not counted")
    assert "An earlier version made this run and counted the backbone alone" in page


@pytest.mark.parametrize("where", ["cost", "comparison"])
def test_a_cost_that_is_missing_is_named(run_folder, where):
    summary = make_summary()
    entry = summary["cost"] if where == "cost" else summary["comparison"][1]
    del entry["network"]["macs"]
    (run_folder / "summary.json").write_text(json.dumps(summary))
    named = "cost" if where == "cost" else "comparison 'random 0'"
    with pytest.raises(ReportError, match=f"{named} lacks 'macs' of the whole network"):
        build(run_folder)


def test_a_summary_may_lack_what_has_a_default(run_folder):
    summary = make_summary()
    optional = [name for name, field in Summary.model_fields.items() if not field.is_required()]
    assert "generated" in optional
    for name in optional:
        summary.pop(name, None)
    (run_folder / "summary.json").write_text(json.dumps(summary))
    assert "generated by a program" not in build(run_folder).read_text()


def test_a_run_without_search_has_no_empty_charts(run_folder):
    (run_folder / "history.jsonl").unlink()
    text = build(run_folder).read_text()
    assert 'class="area"' not in text
    assert "there is nothing to judge" in text


def test_names_from_files_are_text_not_markup(run_folder):
    summary = make_summary(data="<script>alert(1)</script>")
    summary["comparison"][1]["name"] = "<img src=x onerror=alert(1)>"
    (run_folder / "summary.json").write_text(json.dumps(summary))
    page = Page(build(run_folder).read_text())
    assert "script" not in page.tags
    assert "img" not in page.tags


APS = {"map": 0.31, "map_50": 0.5, "map_75": 0.3, "map_small": 0.2, "map_medium": 0.35}


def test_what_there_was_nothing_to_measure_of_is_a_dash(run_folder):
    """No large objects; one random network's test gave no number at all, another's no finite one."""
    summary = make_summary(task="detection", data="coco", metrics={**APS, "loss": None})
    for entry in summary["comparison"]:
        entry["metrics"] = {**APS, "loss": None}
    summary["comparison"][1]["metrics"] = {}
    summary["comparison"][2]["metrics"] = {"map": None}
    (run_folder / "summary.json").write_text(json.dumps(summary, allow_nan=False))
    text = re.sub(r"<svg.*?</svg>", "", build(run_folder).read_text(), flags=re.DOTALL)
    assert "-1.0" not in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert '<td class="number" data-name="large">–</td>' in text
    assert '<td class="number" data-name="small">0.200</td>' in text
    assert '<tr><th>loss</th><td class="number">–</td></tr>' in text
    assert re.search(r"random 0</td><td[^>]*>–</td>", text)
    assert "mean ± spread of 3</td>" in text
    assert "map 0.3100" in text


@pytest.mark.parametrize("of", ["every network", "the found network", "the hand-made network"])
def test_a_test_without_anything_to_measure_has_a_report(run_folder, of):
    summary = make_summary()
    if of != "the hand-made network":
        summary["metrics"] = summary["comparison"][0]["metrics"] = {}
    for index, entry in enumerate(summary["comparison"]):
        if of == "every network" or (of == "the hand-made network" and index == 4):
            entry["metrics"] = {}
    (run_folder / "summary.json").write_text(json.dumps(summary))
    text = build(run_folder).read_text()
    said = {
        "every network": "The test gave no metric of the found network",
        "the found network": "The test gave no accuracy of the found network",
        "the hand-made network": "The test gave no accuracy of hand-made: residual.",
    }
    assert said[of] in text
    assert ("The test had nothing to measure." in text) == (of != "the hand-made network")


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

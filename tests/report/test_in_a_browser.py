"""Reports and the page over runs as a browser shows them, also on the screen of a telephone."""

import io
import json
import random

import pytest
from chromium import PROGRAM, Chromium
from PIL import Image
from searched_run import make_summary
from serving import served

from lightning_nas.report.page import build
from lightning_nas.runs import ModelFolder, RunFolder
from lightning_nas.runs.gallery import Gallery, Picture, Shown
from lightning_nas.spaces import Chain

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no chromium")

NARROW, WIDE = 390, 1200
LATENCY = {"median_ms": 12.5, "p10_ms": 10.0, "p90_ms": 15.0, "threads": 2, "runtime": "onnxruntime 1.99.0"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def jpeg(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run):
    """Two runs with all that a report can show: a gallery, wide pictures, an exported file, long names, wide drawings."""
    folder = tmp_path_factory.mktemp("looked_at")
    tables = [{"title": "By class", "metrics": {f"iou/{n}": f"a class of a long name {n}" for n in range(3)}, "note": "",
               "rows": "metrics", "corner": "Class"}]  # fmt: skip
    says = {"headline": "accuracy", "mode": "max", "tables": tables, "pictures": {"samples.jpg": "Some."}}
    classes = [{"id": n, "name": f"class-{n}", "color": [n, n, n]} for n in range(30)]
    summary = make_summary(presentation=says, classes=classes)
    for entry in summary["comparison"]:
        entry["metrics"] |= {f"iou/{n}": 0.123 for n in range(3)}
    for name in ("a_search", "b_chain"):
        run = RunFolder(make_run(folder / name))
        run.summary.write_text(json.dumps(summary))
        run.overrides.parent.mkdir()
        run.overrides.write_text(f"- data.root=/a/very/long/folder/{'x' * 80}\n")
        for one in ("found", "random 0"):
            run.contender(one).path.mkdir(exist_ok=True, parents=True)
            run.contender(one).picture("samples.jpg").write_bytes(jpeg(1080, 200))
        pictures = tuple(Picture(caption, jpeg(288, 144)) for caption in ("image", "truth", "prediction"))
        shown = tuple(Shown(f"test image {n}", 0.1, "class-1 0.10, class-2 0.20", pictures) for n in range(4))
        Gallery("mIoU of the image", "How it is computed.", 10, 0.5, 0.9, shown).save(run.found.gallery)
    space = Chain()
    chain = space.architecture(space.sample(random.Random(0)))
    chain.save(run.architecture)
    run.history.unlink()
    model = ModelFolder(run.export)
    model.path.mkdir()
    model.onnx.touch()
    known = {"latency": LATENCY, "tested": {"metric": "accuracy", "value": 0.5}}
    record = {"architecture": chain.to_dict(), "cost": {"params": 1, "macs": 2}, "exported": {"onnx": known}}
    model.record.write_text(json.dumps(record))
    for name in ("a_search", "b_chain"):
        build(folder / name)
    return folder


def fits(browser, width):
    """Whether nothing of the page is beyond the screen, and the browser has nothing to complain of."""
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("[...document.querySelectorAll('details')].forEach(one => one.open = true)") is None
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    broken = "[...document.images].filter(one => (one.loading = 'eager') && one.complete && !one.naturalWidth).length"
    assert browser.ask(broken) == 0


@pytest.mark.parametrize("name", ["a_search", "b_chain"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_a_report_fits_the_screen(browser, runs, name, width):
    browser.open((runs / name / "report.html").as_uri(), width)
    fits(browser, width)
    assert browser.ask("document.images.length") >= 12 + 2
    if name == "a_search":
        side = "Math.max(...[...document.querySelectorAll('svg.cell')].map(one => one.getBoundingClientRect().width))"
        assert browser.ask(side) <= width - 20, "the drawing of a cell is seen whole"
    left = "Math.min(...[...document.querySelectorAll('.gallery img')].map(one => one.getBoundingClientRect().width))"
    assert browser.ask(left) > 90, "pictures are large enough to be seen"


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_runs_are_listed_compared_and_opened_by_clicks(browser, runs, width):
    with served(runs) as ask:
        browser.open(f"{ask.address}/", width)
        fits(browser, width)
        assert browser.ask("document.querySelectorAll('input[name=run]').length") == 2
        browser.ask("document.querySelectorAll('input[name=run]').forEach(one => one.click())")
        browser.follow("document.querySelector('button').click()")
        assert browser.ask("document.querySelector('h1').textContent") == "Two runs side by side"
        assert browser.ask("location.pathname + location.search").startswith("/compare?run=")
        fits(browser, width)
        browser.follow("document.querySelector('a[href^=\"/report/\"]').click()")
        assert "darts on digits" in browser.ask("document.title")
        fits(browser, width)
        browser.open(f"{ask.address}/nowhere", width)
        assert "There is no such page" in browser.ask("document.body.textContent")

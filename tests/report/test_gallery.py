"""The worst test images on the page of a run: the truth beside the prediction, few, and from whoever wrote the file."""

import io
import json
import re

import pytest
from PIL import Image
from searched_run import make_summary

from lightning_nas.errors import ReportError
from lightning_nas.report.page import build
from lightning_nas.runs import RunFolder
from lightning_nas.runs.gallery import Gallery, Picture, Shown


def picture(hue):
    file = io.BytesIO()
    Image.new("RGB", (8, 4), hue).save(file, "JPEG")
    return file.getvalue()


def entry(name, score, captions=("truth", "prediction"), said=""):
    return Shown(name, score, said, tuple(Picture(caption, picture("red")) for caption in captions))


@pytest.fixture
def gallery_file(run_folder):
    """Where the gallery of the found network lies; two images of ten are in it."""
    file = RunFolder(run_folder).found.gallery
    shown = (entry("image 7", -0.25, said="sky 0.10"), entry("<b>image 2</b>", 0.5))
    Gallery("depth <score>", "The formula.", 10, 0.75, 0.875, shown).save(file)
    return file


def test_the_worst_images_are_shown_with_score_formula_and_both_pictures(gallery_file, run_folder):
    page = build(run_folder).read_text()
    section = page.partition("<h2>Where it is wrong</h2>")[2].partition("</section>")[0]
    assert "Each of the 10 test images has a score of its own, the depth &lt;score&gt;: -0.25 for the worst" in section
    assert "0.75 in the median, 0.88 for the best. The 2 worst are shown" in section
    assert "The formula." in section
    assert section.count("data:image/jpeg;base64,") == 4
    assert re.findall(r"<span>(\w+)</span>", section) == ["truth", "prediction"] * 2
    assert re.findall(r"<figcaption><b>(\S+)</b> (.*?)</figcaption>", section) == [
        ("-0.25", "image 7. sky 0.10"), ("0.50", "&lt;b&gt;image 2&lt;/b&gt;"),
    ]  # fmt: skip


def test_a_training_has_its_gallery_in_its_own_folder_and_without_one_nothing_is_said(run_folder):
    assert "Where it is wrong" not in build(run_folder).read_text()
    Gallery("score", "", 1, 0.5, 0.5, (entry("image 1", 0.5),)).save(RunFolder(run_folder).gallery)
    assert "All of them are shown" in build(run_folder).read_text()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda data: data.update(shown=[]), "shown"),
        (lambda data: data.update(median="1"), "median"),
        (lambda data: data.update(median=float("nan")), "median"),
        (lambda data: data["shown"][0].update(pictures=[]), "pictures"),
        (lambda data: data["shown"][0]["pictures"][0].update(jpeg="!"), "'image 7': 'truth': "),
        (lambda data: data["shown"][0]["pictures"][0].update(jpeg="PHN2Zz4="), "expected a JPEG file"),
        (lambda data: data.update(shown=data["shown"] * 51), "shown"),
    ],
)
def test_a_damaged_gallery_is_named(gallery_file, run_folder, changed, said):
    data = json.loads(gallery_file.read_text())
    changed(data)
    gallery_file.write_text(json.dumps(data))
    with pytest.raises(ReportError, match=f"gallery.json: .*{re.escape(said)}"):
        build(run_folder)


def test_the_pictures_of_other_networks_are_folded_and_of_a_front_only_its_ends_are_there(run_folder):
    summary = make_summary(
        presentation={"headline": "accuracy", "mode": "max", "tables": [], "pictures": {"a.png": ""}}
    )
    first = summary["comparison"][0]
    summary["comparison"] += [{**first, "name": f"front {number}", "kind": "front"} for number in range(1, 6)]
    (run_folder / "summary.json").write_text(json.dumps(summary))
    for one in summary["comparison"]:
        file = RunFolder(run_folder).contender(one["name"]).picture("a.png")
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(file)
    page = build(run_folder).read_text()
    section = page.partition("<h2>Test images</h2>")[2].partition("</section>")[0]
    before, folded, behind = re.fullmatch("(.*)<details>(.*)</details>(.*)", section, re.DOTALL).groups()
    assert re.findall("<h3>(.*?)</h3>", before) == ["found"]
    assert re.findall("<h3>(.*?)</h3>", folded) == ["hand-made: residual", "random 0", "front 1", "front 5"]
    assert "The same images as 4 other networks see them" in folded
    assert not behind.strip()

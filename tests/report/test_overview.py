"""The page over the runs of a folder, asked by a real client: what it shows, and all that it must not give away."""

import os
import shutil
import sys
from urllib.parse import quote

import pytest
from omegaconf import OmegaConf
from serving import served

from lightning_nas.commands import ui
from lightning_nas.commands.ui import listening
from lightning_nas.errors import ConfigError, MissingPackageError
from lightning_nas.report.overview.listing import list_runs
from lightning_nas.report.page import build
from lightning_nas.runs import RunFolder

SECRET = "the secret of this machine"
ODD = "search/2026 ümlaut & <b>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run):
    """Two runs that have finished, one that has not, one that is damaged; and a file beside them."""
    top = tmp_path_factory.mktemp("page")
    folder = top / "runs"
    for name in ("train/first", ODD):
        make_run(folder / name)
        build(folder / name)
    (folder / ODD / "summary.json").write_text(
        (folder / ODD / "summary.json").read_text().replace('"seed": 0', '"seed": 7').replace("0.9711", "0.5")
    )
    for name in ("train/killed", "train/damaged"):
        shutil.copytree(folder / "train/first", folder / name)
    record = folder / "train/killed/.hydra"
    record.mkdir()
    (record / "config.yaml").write_text("seed: 0\n")
    (record / "overrides.yaml").write_text("- task.lr=0.5\n")
    for file in ("summary.json", "report.html"):
        (folder / "train/killed" / file).unlink()
    (folder / "train/damaged/summary.json").write_text('{"a": <script>')
    (top / "secret.html").write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def ask(runs):
    with served(runs) as ask:
        yield ask


def test_runs_are_listed_with_what_is_known_of_them(ask):
    status, _, page = ask("/")
    assert status == 200
    assert "search/2026 ümlaut &amp; &lt;b&gt;" in page
    assert f'href="/report/{quote(ODD)}"' in page
    assert page.count(">finished<") == 2
    assert page.count(">unfinished<") == page.count(">damaged<") == 1
    assert "summary.json: not valid JSON" in page
    assert "<b>" not in page.replace("</b>", "")
    assert "0.9711" in page
    assert "0.5000" in page


def test_two_runs_are_compared(ask):
    status, _, page = ask(f"/compare?run=train/first&run={quote(ODD)}")
    assert status == 200
    assert '<tr class="differs"><td>seed</td><td>0</td><td>7</td></tr>' in page
    assert '<tr class="differs"><td>accuracy</td><td>0.9711</td><td>0.5000</td></tr>' in page
    assert "<tr><td>task</td>" in page
    assert page.count("<svg") == 2, "accuracy and loss of validation"
    _, _, page = ask("/compare?run=train/killed&run=train/damaged")
    assert "<td>task.lr</td><td>0.5</td><td>–</td>" in page
    assert "not valid JSON" in page


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [("", 400, "0 chosen"), ("?run=train/first", 400, "1 chosen"), ("?run=train/first&run=train/first", 400, "1 chosen"),
     ("?run=train/first&run=train/killed&run=train/damaged", 400, "3 chosen"),
     ("?run=train/first&run=../secret.html", 404, "../secret.html is not one of the runs")],
)  # fmt: skip
def test_anything_but_two_runs_is_answered_in_words(ask, query, status, said):
    found, _, page = ask(f"/compare{query}")
    assert (found, said in page) == (status, True)


def test_a_report_is_given_as_it_is(ask, runs):
    for name in ("train/first", ODD):
        assert ask(f"/report/{quote(name)}")[2] == (runs / name / "report.html").read_text()
    status, _, page = ask("/report/train/killed")
    assert (status, "has no report" in page) == (404, True)


PATHS = (
    "/report/../secret.html", "/report/..%2fsecret.html",
    "/report/%2e%2e/secret.html", "/report/train/first/../../../secret.html",
    "/report/train/first/report.html", "/report/train/first/summary.json", "/report//etc/passwd", "/report/%2fetc%2fpasswd",
    "/report/train/first%00", "/../secret.html", "/secret.html", "/report/train", "/report/", "/report/.", "//etc/passwd",
    "/report/train/first/", "/report/train//first", "/report/train\\first", "/%ff%fe", "/report/%ff",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_the_list(ask, path):
    status, _, page = ask(path)
    assert status == 404
    assert SECRET not in page
    assert "root:" not in page
    assert '"seed"' not in page


def test_every_answer_forbids_to_run_or_load_anything(ask):
    for path in ("/", "/report/train/first", "/nowhere", "/compare"):
        policy = ask(path)[1]["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "script" not in policy
    assert ask("/")[1]["X-Content-Type-Options"] == "nosniff"


def test_only_this_machine_is_answered_and_nothing_can_be_sent(ask):
    status, headers, page = ask("/", host="runs.example.com")
    assert (status, "train/first" in page) == (400, False)
    assert "Content-Security-Policy" in headers
    assert ask("/", host="localhost:80")[0] == 200
    assert ask("/", method="POST")[0] == 405
    with listening(0) as place:
        assert place.getsockname()[0] == "127.0.0.1"


def test_links_lead_nowhere(runs, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(runs / "train/first", folder / "own")
    shutil.copytree(runs / "train/first", folder / "linked")
    (folder / "elsewhere").symlink_to(runs / "train")
    for file in ("report.html", "metrics.csv"):
        (folder / "linked" / file).unlink()
        (folder / "linked" / file).symlink_to(runs.parent / "secret.html")
    with served(folder) as ask:
        assert [run.name for run in list_runs(folder)] in (["own", "linked"], ["linked", "own"])
        assert ask("/report/linked")[0] == ask("/report/elsewhere/first")[0] == 404
        assert ask("/compare?run=own&run=linked")[0] == 200
        (folder / "linked" / "summary.json").unlink()
        (folder / "linked" / "summary.json").symlink_to(runs.parent / "secret.html")
        assert "summary.json leads out of the folder" in ask("/")[2]


DAMAGES = (
    b"\xff\xfe",
    b"[\n" * 50_000,
    b"{}",
    b"- &a [*a]\n",
    b"epoch,val/loss\n1e400,1e308\n2,-1e308\n1,nan\n",
)


def test_damaged_files_do_not_break_the_page(runs, tmp_path):
    others = (".hydra/overrides.yaml", ".hydra/config.yaml", "evaluation/found/metrics.csv", "report.html")
    for number, damage in enumerate(DAMAGES):
        for kind, files in (("all", ("summary.json", *others)), ("others", others)):
            folder = tmp_path / f"{number} {kind}"
            shutil.copytree(runs / "train/first", folder)
            (folder / ".hydra").mkdir()
            for name in files:
                (folder / name).write_bytes(damage)
    names = [run.name for run in list_runs(tmp_path)]
    assert len(names) == 2 * len(DAMAGES)
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    shutil.copy(runs / "train/first/summary.json", os.fsencode(tmp_path) + b"/\xff/summary.json")
    with served(tmp_path) as ask:
        assert ask("/")[0] == 200
        for name in names:
            assert ask(f"/compare?run={quote(names[0])}&run={quote(name)}")[0] == (200 if name != names[0] else 400)
            assert ask(f"/report/{quote(name)}")[0] == 200


def test_one_run_and_an_empty_folder_have_a_page_too(runs, tmp_path):
    assert [run.name for run in list_runs(runs / "train/first")] == ["first"]
    with served(tmp_path) as ask:
        assert "There is no run below this folder" in ask("/")[2]


def test_a_run_within_a_run_is_part_of_it(runs, tmp_path):
    shutil.copytree(runs / "train/first", tmp_path / "search")
    shutil.copytree(runs / "train/first", RunFolder(tmp_path / "search").contender("random 0").path)
    assert [run.name for run in list_runs(tmp_path)] == ["search"]


def test_a_port_that_cannot_be_had_is_named():
    with listening(0) as place:
        port = place.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port = {port}: Address already in use"):
            listening(port)
    with pytest.raises(ConfigError, match="port = 70000: expected 0 to 65535"):
        listening(70000)


def test_what_the_command_lacks_is_said_in_a_sentence(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="run = 'nowhere': there is no such folder"):
        ui.run(OmegaConf.create({"run": "nowhere", "port": 0}))
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingPackageError, match=r"uvicorn is not installed: pip install 'lightning-nas\[ui\]'"):
        ui.run(OmegaConf.create({"run": str(tmp_path), "port": 0}))

"""The yardstick: what a search on a table reports, on a small table with known answers and on the real one."""

import csv
import gzip
import itertools
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lightning_nas.benchmark import NasBench201Benchmark
from lightning_nas.benchmark.nasbench201 import Search
from lightning_nas.errors import TableError
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import LocalSearch, RandomSearch

SPACE = NasBench201()
REAL = Path(os.environ.get("NAS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "nasbench201.csv.gz"


def make(kind, space, seed):
    return kind(space, seed=seed)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Valid accuracy: 10 per 3x3 convolution and 1 per 1x1; test accuracy: one less; a training takes 7 s."""
    file = tmp_path_factory.mktemp("table") / "cells.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["arch", "cifar10_valid", "cifar10_test", "train_time_s"])
        for ops in itertools.product(SPACE.ops, repeat=6):
            choices = dict(zip(SPACE.decisions, ops, strict=True))
            valid = 10 * ops.count("nor_conv_3x3") + ops.count("nor_conv_1x1")
            writer.writerow([SPACE.to_text(choices), valid, valid - 1, 7])
    return file


def test_curves_follow_the_best_validated_architecture(table):
    benchmark = NasBench201Benchmark(
        table=str(table), make_sampler=partial(make, RandomSearch), strategy="random", budget=40, seeds=2, datasets=["cifar10"],
        marks=[20, 40, 100],
    )  # fmt: skip
    search = benchmark.search("cifar10", 0)
    assert isinstance(search, Search)
    assert (np.diff(search.test) >= 0).all()
    assert search.seconds.tolist() == [7.0 * (index + 1) for index in range(40)]
    result = benchmark.run()
    values = result["datasets"]["cifar10"]
    both = np.stack([benchmark.search("cifar10", seed).test for seed in (0, 1)])
    assert values["optimum"] == 59
    assert values["test_mean"] == pytest.approx(both.mean(0).tolist())
    assert values["test_std"] == pytest.approx(both.std(0).tolist(), abs=1e-4)
    assert values["regret_mean"] == pytest.approx((59 - both).mean(0).tolist())
    assert list(result["marks"]) == [20, 40]
    shown = NasBench201Benchmark.render([result])
    mean, spread = both[:, 19].mean(), both[:, 19].std()
    assert list(shown.columns[0].cells) == ["[bold]cifar10[/bold]", "random", "  regret"]
    assert list(shown.columns[1].cells) == [
        "optimum 59.00", f"{mean:.2f} ± {spread:.2f}", f"{59 - mean:.2f} ± {spread:.2f}"
    ]  # fmt: skip


def test_a_budget_below_all_marks_is_shown_itself(table):
    benchmark = NasBench201Benchmark(
        table=str(table), make_sampler=partial(make, RandomSearch), strategy="random", budget=7, seeds=1, datasets=["cifar10"]
    )  # fmt: skip
    assert benchmark.marks == (7,)


def test_local_search_reaches_the_only_peak(table):
    benchmark = NasBench201Benchmark(
        table=str(table), make_sampler=partial(make, LocalSearch), strategy="local_search", budget=120, seeds=12,
        datasets=["cifar10"],
    )  # fmt: skip
    assert benchmark.run()["datasets"]["cifar10"]["test_mean"][-1] == 59


def test_the_picture_is_written(table, tmp_path):
    benchmark = NasBench201Benchmark(
        table=str(table), make_sampler=partial(make, RandomSearch), strategy="random", budget=5, seeds=1, datasets=["cifar10"]
    )  # fmt: skip
    assert NasBench201Benchmark.draw([benchmark.run()], tmp_path).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"seeds": 0}, "seeds"),
        ({"marks": [0]}, "marks"),
        ({"datasets": ["mnist"]}, "mnist"),
        ({"datasets": ["cifar100"]}, "cifar100_valid"),
        ({"table": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_bad_arguments_are_named(table, arguments, said):
    with pytest.raises(ValueError, match=said):
        NasBench201Benchmark(
            **{
                "table": str(table),
                "make_sampler": partial(make, RandomSearch),
                "strategy": "random",
                "datasets": ["cifar10"],
                **arguments,
            }
        )


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("cell,score", f"{CELL},1"), "no column 'arch'"),
        (("arch,score", "|none~0|,1"), "line 2"),
        (("arch,score", f"{CELL},1", f"{CELL},2"), "line 3.*twice"),
        (("arch,score", f"{CELL},high"), "line 2.*high"),
        (("arch,score", f"{CELL},nan"), "line 2.*score = 'nan': expected a finite number"),
        (("arch,score", f"{CELL},-inf"), "line 2.*score = '-inf': expected a finite number"),
        (("arch,score", f"{CELL},1e999"), "line 2.*score = '1e999': expected a finite number"),
        (("arch;score", f"{CELL};93,5"), "line 2.*score = '93,5': expected a finite number with a decimal point"),
        (("arch,score,score", f"{CELL},1,2"), r"columns \['score'\] are there more than once"),
        (("arch,score,arch", f"{CELL},1,{CELL}"), r"columns \['arch'\] are there more than once"),
        (("arch,score", f"{CELL},1,2"), "line 2: 3 values, but the header has 2 columns"),
        (("arch,score", CELL), "line 2: 1 values, but the header has 2 columns"),
        (("arch,score", f"{CELL},{'9' * 200_000}"), "line 2.*field larger than field limit"),
        (("arch,score",), "no row"),
        ((), "no column 'arch'"),
    ],
)
def test_malformed_tables_are_refused(tmp_path, lines, said):
    with pytest.raises(TableError, match=said):
        ResultTable(write(tmp_path / "table.csv", *lines), SPACE)


WRITTEN = f"arch,score\n{CELL},1.5\n\n"


@pytest.mark.parametrize(
    "raw",
    [
        WRITTEN.encode("utf-8-sig"),
        WRITTEN.encode("utf-16"),
        b"\xfe\xff" + WRITTEN.encode("utf-16-be"),
        WRITTEN.replace("\n", "\r\n").encode(),
        WRITTEN.replace("\n", "\r").encode(),
        WRITTEN.replace(",", ";").encode(),
        WRITTEN.replace(",", "\t").encode("utf-16"),
    ],
    ids=["mark", "UTF-16", "UTF-16, big endian", "CRLF", "CR", "semicolons", "tabs"],
)
def test_tables_that_other_systems_write_are_read(tmp_path, raw):
    (tmp_path / "table.csv").write_bytes(raw)
    known = ResultTable(tmp_path / "table.csv", SPACE)
    assert (known.columns, known[SPACE.from_text(CELL)]) == (("score",), {"score": 1.5})


def test_an_architecture_that_the_table_lacks_is_named(tmp_path):
    known = ResultTable(write(tmp_path / "table.csv", "arch,score", f"{CELL},1.5"), SPACE)
    assert known[SPACE.from_text(CELL)] == {"score": 1.5}
    other = SPACE.from_text(CELL.replace("none~2", "skip_connect~2"))
    with pytest.raises(TableError, match="skip_connect~2"):
        known[other]
    with pytest.raises(TableError, match="no column 'loss'"):
        known.require("loss")


def test_binary_garbage_is_no_table(tmp_path):
    (tmp_path / "table.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(TableError, match="not readable"):
        ResultTable(tmp_path / "table.csv.gz", SPACE)
    whole = gzip.compress(f"arch,score\n{CELL},1\n".encode())
    (tmp_path / "table.csv.gz").write_bytes(whole[:12] + b"\xff" + whole[13:])
    with pytest.raises(TableError, match="not readable"):
        ResultTable(tmp_path / "table.csv.gz", SPACE)


@pytest.mark.skipif(not REAL.is_file(), reason="needs the NAS-Bench-201 table")
def test_random_search_on_the_real_table_gives_the_known_figure():
    benchmark = NasBench201Benchmark(
        table=str(REAL), make_sampler=partial(make, RandomSearch), strategy="random", budget=100, seeds=20, datasets=["cifar10"]
    )  # fmt: skip
    values = benchmark.run()["datasets"]["cifar10"]
    assert values["optimum"] == pytest.approx(94.37, abs=0.005)
    assert values["test_mean"][99] == pytest.approx(93.82, abs=4 * 0.35 / 20**0.5)

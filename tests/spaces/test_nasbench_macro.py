import csv
import gzip
import os
from pathlib import Path

import pytest

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import NasBenchMacro

DATA = Path(os.environ.get("NAS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
TABLE = DATA / "nasbench_macro.csv.gz"
CLASSIFIER = 1280 * 10 + 10

PUBLISHED = {  # parameters and multiply-adds of the whole network in millions, from the authors' table
    "00000000": (0.387882, 7.71328),
    "00000001": (0.791594, 14.115328),
    "00100000": (0.41905, 12.018176),
    "22222222": (2.932586, 105.660928),
}


@pytest.mark.parametrize("text", PUBLISHED)
def test_sizes_are_those_of_the_table(text):
    space = NasBenchMacro()
    network = space.network(space.from_text(text))
    parameters, macs = PUBLISHED[text]
    assert count_parameters(network) + CLASSIFIER == round(1e6 * parameters)
    assert count_macs(network, (3, 32, 32)) + CLASSIFIER - 10 == round(1e6 * macs)


def test_there_are_6561_texts_and_fewer_functions():
    space = NasBenchMacro()
    assert space.size() == 6561
    assert space.to_text(space.from_text("01201201")) == "01201201"
    same = {space.canonical(space.from_text(text)) for text in ("01001201", "01001210", "01010210")}
    assert same == {"01010210"}
    assert space.canonical(space.from_text("00100000")) != space.canonical(space.from_text("01000000"))


@pytest.mark.parametrize("text", ["0120120", "012012013", "01201203", "0120120x"])
def test_another_text_is_refused(text):
    with pytest.raises(ArchitectureError, match="expected 8 digits of 0 to 2"):
        NasBenchMacro().from_text(text)


@pytest.mark.skipif(not TABLE.is_file(), reason="the table is not here")
def test_networks_of_one_function_have_one_accuracy_in_the_table():
    space = NasBenchMacro()
    with gzip.open(TABLE, "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6561
    accuracies: dict[str, set[str]] = {}
    for row in rows:
        accuracies.setdefault(space.canonical(space.from_text(row["arch"])), set()).add(row["test"])
    assert all(len(values) == 1 for values in accuracies.values())

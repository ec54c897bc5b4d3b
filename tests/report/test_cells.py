import random
import xml.etree.ElementTree as ElementTree

import pytest

from lightning_nas.report.cells import draw, edge_names, option_names
from lightning_nas.spaces import AutoDeepLab, Darts, Gas
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.darts.published import PUBLISHED
from lightning_nas.spaces.nasbench201.space import NasBench201
from lightning_nas.spaces.nasnet.published import published_nasnet
from lightning_nas.spaces.published import published


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_cell_is_drawn_with_all_its_operations(name):
    drawings = draw(published(name))
    assert len(drawings) == 2
    for drawing in drawings:
        root = ElementTree.fromstring(drawing.svg)
        assert len(root.findall(".//*[@class]")) > 8
        assert len(drawing.operations) == 8


@pytest.mark.parametrize("space", [NasBench201(), Chain(), Gas(cells=3)], ids=lambda space: space.name)
def test_other_spaces_are_drawn_as_well(space):
    drawings = draw(space.architecture(space.sample(random.Random(0))))
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing.svg)


def test_a_nasnet_cell_feeds_the_states_that_it_keeps_to_its_output():
    normal, reduce = draw(published_nasnet("nasnet_a"))
    assert (normal.title, reduce.title, len(normal.operations)) == ("Normal cell", "Reduction cell", 10)
    for drawing, kept in ((normal, 6), (reduce, 4)):  # 10 operations, a line into each and one out of each
        assert len(ElementTree.fromstring(drawing.svg).findall(".//*[@class='line']")) == 20 + kept


def test_edges_are_named_after_their_nodes():
    names = edge_names(Darts(), "normal", 14)
    assert names[:2] == ["c(k-2) → 0", "c(k-1) → 0"]
    assert names[-1] == "2 → 3"


def test_the_trellis_shows_the_path_and_how_likely_each_place_was():
    architecture = published("auto_deeplab")
    space = AutoDeepLab(channels=20)
    uniform = {
        name: [[1 / n] * n for _ in rows] for name, rows in space.trellis.rows.items() for n in [2 + ("inner" in name)]
    }
    plain, _ = draw(architecture)
    trellis, cell = draw(architecture, uniform | {"cell": [[1 / 8] * 8] * 20})
    assert trellis.title.endswith("4, 4, 4, 8, 16, 8, 16, 16, 32, 32, 16, 8")
    assert len(cell.operations) == 10
    root = ElementTree.fromstring(trellis.svg)
    nodes = root.findall(".//*[@class='op']")
    assert len(nodes) == 12
    assert [node.get("cy") for node in nodes] == [
        str(30 + 56 * level) for level in space.path(architecture.components["backbone"].choices)
    ]
    shares = {(n.get("x"), n.get("y")): n.text for n in root.iter() if n.get("class") in ("on", "share")}
    assert shares["120", "30"] == "100"
    assert shares["178", "30"] == shares["178", "86"] == "50"
    assert not [n for n in ElementTree.fromstring(plain.svg).iter() if n.get("class") in ("on", "share")]


def test_transitions_are_named_after_their_places():
    space = AutoDeepLab()
    rows = len(space.trellis.rows["beta_inner"])
    assert edge_names(space, "beta_inner", rows)[:2] == ["layer 2, 1/8", "layer 3, 1/8"]
    assert option_names(space, "beta_inner", 3) == ("finer", "same", "coarser")
    assert edge_names(space, "cell", 20)[2] == "c(k-2) → 1"


def test_every_cell_of_gas_is_drawn_by_itself():
    space = Gas(cells=4)
    drawings = draw(space.architecture(space.sample(random.Random(0))))
    assert [drawing.title for drawing in drawings] == ["Cell 0", "Cell 1", "Cell 2", "Cell 3"]
    assert edge_names(space, "cell2", 5)[-1] == "0 → 1"

import random
import xml.etree.ElementTree as ElementTree

import pytest

from lightning_nas.report.cells import draw, edge_names
from lightning_nas.spaces import Darts
from lightning_nas.spaces.chain import Chain
from lightning_nas.spaces.genotypes import published, published_names
from lightning_nas.spaces.nasbench201 import NasBench201


@pytest.mark.parametrize("name", published_names())
def test_every_published_cell_is_drawn_with_all_its_operations(name):
    drawings = draw(published(name))
    assert len(drawings) == 2
    for drawing in drawings:
        root = ElementTree.fromstring(drawing.svg)
        assert len(root.findall(".//*[@class]")) > 8
        assert len(drawing.operations) == 8


@pytest.mark.parametrize("space", [NasBench201(), Chain()], ids=lambda space: space.name)
def test_other_spaces_are_drawn_as_well(space):
    drawings = draw(space.architecture(space.sample(random.Random(0))))
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing.svg)


def test_edges_are_named_after_their_nodes():
    names = edge_names(Darts(), "normal", 14)
    assert names[:2] == ["c(k-2) → 0", "c(k-1) → 0"]
    assert names[-1] == "2 → 3"

"""The drawing of a neck."""

import re

from lightning_nas.report.cells import draw
from lightning_nas.spaces import Fpn, NasFpn
from lightning_nas.spaces.necks.nas_fpn.picture import draw_pyramid
from lightning_nas.spaces.necks.nas_fpn.tokens import PUBLISHED, MergingCell

LEVELS = (3, 4, 5, 6, 7)


def centres(svg):
    return [(int(x), int(y)) for x, y in re.findall(r'<circle class="op" cx="(\d+)" cy="(\d+)"', svg)]


def test_every_cell_stands_in_its_column_and_on_its_level():
    svg = draw_pyramid("neck", LEVELS, PUBLISHED)
    rows = {
        level: int(y) for y, level in re.findall(r'<text x="18" y="(\d+)">P(\d)</text>', svg) for level in [int(level)]
    }
    assert [y for _, y in centres(svg)] == [rows[cell.level] for cell in PUBLISHED]
    columns = [x for x, _ in centres(svg)]
    assert columns == sorted(set(columns))
    assert rows[7] < rows[3]


def test_two_lines_enter_every_cell_and_results_are_ringed():
    svg = draw_pyramid("neck", LEVELS, PUBLISHED)
    assert len(re.findall(r'<path class="line" d="M[^"]*"/>', svg)) == 2 * 7
    assert svg.count('stroke-dasharray="5 4"') == 2  # no cell reads the inputs of P5 and P7
    assert svg.count('<circle class="line"') == 5
    assert svg.count(">att<") == sum(cell.op == "attention" for cell in PUBLISHED) == 4


def test_a_dashed_line_joins_what_no_cell_reads():
    cells = (MergingCell(0, 1, 3, "sum"), MergingCell(0, 3, 4, "sum"), MergingCell(1, 3, 5, "sum"))
    assert 'stroke-dasharray="5 4"' in draw_pyramid("neck", (3, 4, 5), cells)
    read = (MergingCell(0, 2, 3, "sum"), MergingCell(1, 3, 4, "sum"), MergingCell(2, 4, 5, "sum"))
    assert 'stroke-dasharray="5 4"' not in draw_pyramid("neck", (3, 4, 5), read)


def test_fixed_necks_are_not_drawn():
    (drawing,) = draw(NasFpn(repeats=3).architecture(NasFpn().from_tokens(PUBLISHED)))
    assert drawing.title == "Neck: 7 merging cells, 3 stacks"
    assert draw(Fpn().architecture({})) == []

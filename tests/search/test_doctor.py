"""The doctor: what it reads off a history, its rules on histories that were made for them, its exact sentences."""

import math

import pytest

from lightning_nas.search.doctor import Diagnosis, Remedies, Signs, diagnose
from lightning_nas.search.doctor.sharpening import STOP, sharpening
from lightning_nas.search.doctor.signs import agreement, entropy, skip_share

CONV, SKIP, POOL = "nor_conv_3x3", "skip_connect", "avg_pool_3x3"


def history(cells, *, group="cell", decided=0.9, eigenvalues=None, **last):
    """A line per cell, which is a list of operations; every edge has two options."""
    lines = []
    for epoch, operations in enumerate(cells):
        free = [operation in (SKIP, POOL) for operation in operations]
        line = {
            "epoch": epoch,
            "probabilities": {group: [[decided, 1 - decided]] * len(operations)},
            "skip_share": {group: sum(free) / len(free)},
            "choices": {f"{group}.{edge}": operation for edge, operation in enumerate(operations)},
        }
        if eigenvalues is not None and epoch in eigenvalues:
            line["eigenvalue"] = eigenvalues[epoch]
        lines.append(line)
    lines[-1] |= last
    return lines


def cell(skips, pools=0, edges=6):
    return [SKIP] * skips + [POOL] * pools + [CONV] * (edges - skips - pools)


def said(lines, *remedies):
    return diagnose(Signs.of(lines), *remedies).sentence


# ---- what is read ------------------------------------------------------------------------------------------------------


def test_the_signs_of_a_history():
    signs = Signs.of(history([cell(1), cell(2, 1), cell(2, 1)], eigenvalues={0: 0.5, 2: 0.75}, stopped="why"))
    assert signs.epochs == (0, 1, 2)
    assert signs.shares == {"cell": {0: 1 / 6, 1: 0.5, 2: 0.5}}
    assert signs.skips == {"cell": {0: 1 / 6, 1: 1 / 3, 2: 1 / 3}}
    assert signs.eigenvalues == {0: 0.5, 2: 0.75}
    assert signs.agreement == {1: pytest.approx(4 / 6), 2: 1.0}
    assert (signs.settled, signs.stopped) == (1, "why")
    certain = -(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))
    assert signs.entropies == {"cell": {epoch: pytest.approx(certain) for epoch in range(3)}}


def test_groups_that_differ_in_a_number_are_one():
    first, second = history([cell(6)], group="cell0"), history([cell(0)], group="cell1")
    both = {key: first[0][key] | second[0][key] for key in ("probabilities", "skip_share", "choices")}
    signs = Signs.of([{"epoch": 0, **both}])
    assert (signs.shares, signs.skips) == ({"cells": {0: 0.5}}, {"cells": {0: 0.5}})
    assert list(signs.entropies) == ["cells"]


def test_entropy_is_one_for_uniform_and_zero_for_certain_options():
    assert entropy([[0.25] * 4]) == pytest.approx(1)
    assert entropy([[1.0, 0.0, 0.0]]) == 0
    assert entropy([[0.5, 0.5], [1.0, 0.0]]) == pytest.approx(0.5)
    assert entropy([[0.9, 0.1]]) == pytest.approx(-(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)))
    with pytest.raises(ValueError, match="probabilities"):
        entropy([])


def test_share_of_operations_that_learn_nothing():
    assert skip_share([SKIP, "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5"]) == 0.5
    with pytest.raises(ValueError, match="operations"):
        skip_share([])


def test_decisions_that_only_one_has_are_made_differently():
    assert agreement({"a": 1, "b": 2}, {"a": 1, "c": 2}) == pytest.approx(1 / 3)


# ---- what is said ------------------------------------------------------------------------------------------------------


def test_a_collapse_is_dated_and_the_epoch_before_it_proposed():
    lines = history([cell(1), cell(3), cell(4), cell(3), cell(4), cell(5, 1)])
    assert said(lines) == (
        "collapsing since epoch 4: use the architecture of epoch 3, or search again with strategy.guard=eigenvalue "
        "(100% of the operations in the found cell learn nothing)"
    )
    assert diagnose(Signs.of(lines)).epoch == 3


def test_it_is_seen_before_the_end():
    cells = [cell(1), cell(3), cell(4), cell(6)]
    words = [diagnose(Signs.of(history(cells[: n + 1]))).word for n in range(4)]
    assert words == ["healthy", "drifting", "collapsing", "collapsing"]


def test_a_collapse_from_the_start_leaves_no_architecture_to_use():
    lines, remedies = history([cell(6), cell(6)]), Remedies("strategy=robust_darts", "strategy=darts_minus")
    assert said(lines, remedies) == (
        "collapsing since epoch 0: search again with strategy=darts_minus (100% of the operations in the found cell learn "
        "nothing; that was so as soon as the logits had chosen, so a guard has no epoch to go back to)"
    )
    assert diagnose(Signs.of(lines)).again == "strategy.auxiliary_skip=1 strategy.guard=eigenvalue"


def test_what_undecided_logits_point_to_is_a_draw_and_no_collapse():
    lines = history([cell(6), cell(1), cell(6), cell(6)])
    for line in lines[:2]:
        line["probabilities"] = {"cell": [[0.501, 0.499]] * 6}
    assert diagnose(Signs.of(lines[:1])).word == "undecided"
    found = diagnose(Signs.of(lines))
    assert (found.word, found.since, found.epoch) == ("collapsing", 2, None)  # nor is it an architecture to use


def nearly_even(cells):
    """Logits that move in every epoch, and never far from each other, as beta-decay keeps them."""
    lines = history(cells)
    for number, line in enumerate(lines):
        line["probabilities"] = {"cell": [[0.501 + 1e-4 * number, 0.499 - 1e-4 * number]] * 6}
    return lines


def test_decisions_that_stand_are_no_draw_however_even_the_options_are():
    good, bad = nearly_even([cell(1)] * 6), nearly_even([cell(1)] + [cell(6)] * 6)
    assert said(good).startswith(
        "healthy: nothing to do (17% of the operations in the cell learn nothing; cell: entropy"
    )
    assert "100% of the decisions are those of the 5 epochs before" in said(good)
    assert diagnose(Signs.of(good[:5])).word == "undecided"  # too few epochs to say so
    assert diagnose(Signs.of(bad)).head == "collapsing since epoch 5"


def test_decisions_of_logits_that_rest_or_that_change_are_a_draw():
    assert diagnose(Signs.of(history([cell(1)] * 8, decided=0.501))).word == "undecided"
    changing = nearly_even([cell(6), cell(0)] * 4)
    assert diagnose(Signs.of(changing)).word == "undecided"


def test_half_is_the_limit_not_above_it():
    assert diagnose(Signs.of(history([cell(3), cell(3)]))).word == "healthy"


def test_an_eigenvalue_that_grew_before_the_collapse_says_which_epoch_to_use():
    """Measured every epoch: means over 5 are 1 until epoch 9, then 2.2 in epoch 10, and 1 in epoch 6."""
    trace = {epoch: 1.0 if epoch < 10 else 7.0 for epoch in range(13)}
    assert said(history([cell(1)] * 11 + [cell(5)] * 2, eigenvalues=trace)) == (
        "collapsing since epoch 11: use the architecture of epoch 6, or search again with strategy.guard=eigenvalue "
        "(83% of the operations in the found cell learn nothing; the dominant eigenvalue grew from 1 to 2.2 within 4 epochs, "
        "up to epoch 10)"
    )


def test_an_eigenvalue_alone_is_a_warning():
    trace = {epoch: 1.0 if epoch < 10 else 7.0 for epoch in range(0, 13, 2)}
    lines = history([cell(1)] * 13, eigenvalues=trace)
    assert said(lines) == (
        "drifting since epoch 7: use the architecture of epoch 6, or search again with strategy.guard=eigenvalue "
        "(the dominant eigenvalue grew from 1 to 2.2 within 4 epochs, up to epoch 10)"
    )
    lines[-1]["stopped"] = "stopped after epoch 12 with the logits of epoch 8"
    assert said(lines).startswith(
        "healthy: the guard has acted, nothing to do (stopped after epoch 12 with the logits of epoch 8; "
    )


@pytest.mark.parametrize("factor", [0.74, 0.76])
def test_the_eigenvalue_is_judged_as_the_guard_judges_it(factor):
    """``m(k - 4) / m(k)`` of a trace that jumps once: (5 + 5 r) / 10 ... below 0.75 only for the larger jump."""
    jump = 5 / factor - 4  # the mean over 5 goes from 1 to 1 / factor
    trace = {epoch: 1.0 if epoch != 12 else jump for epoch in range(13)}
    assert (STOP.mean_of(trace, 8), STOP.mean_of(trace, 12)) == (1.0, pytest.approx(1 / factor))
    assert (sharpening(trace) is not None) is (factor < STOP.factor)


def test_early_growth_does_not_count():
    assert sharpening({epoch: 1.0 + 9 * (epoch > 2) for epoch in range(STOP.start)}) is None


def test_a_rise_of_a_quarter_is_a_drift():
    assert said(history([cell(1, edges=4), cell(0, edges=4), cell(1, edges=4)])) == (
        "drifting since epoch 2: use the architecture of epoch 1, or search again with strategy.guard=eigenvalue "
        "(the share of operations that learn nothing in the cell rose from 0% to 25%)"
    )


def test_undecided_options():
    assert said(history([cell(1), cell(1)], decided=0.501)) == (
        "undecided: search for more epochs, or with a larger strategy.lr (the options of cell are still almost equally likely, "
        "entropy 1.000 of 1, so the found network is little better than a random draw)"
    )


def test_undecided_options_of_a_search_that_the_guard_has_ended():
    lines = history([cell(1), cell(1)], decided=0.501)
    lines[-1]["stopped"] = "stopped after epoch 1 with the logits of epoch 0"
    assert said(lines).startswith(
        "undecided: search again with a larger strategy.lr, as the guard has ended this one before it chose (stopped after "
        "epoch 1 with the logits of epoch 0; the options of cell"
    )


def test_a_healthy_search_says_what_it_was_judged_by():
    lines = history([cell(1), cell(1)])
    lines[0]["probabilities"] = {"cell": [[0.5, 0.5]]}
    assert said(lines) == (
        "healthy: nothing to do (17% of the operations in the cell learn nothing; cell: entropy fell from 1.000 to 0.469; no "
        "decision has changed since epoch 0; no eigenvalue was measured)"
    )


def test_a_space_without_such_operations_is_judged_by_what_there_is():
    lines = [
        {
            "epoch": e,
            "probabilities": {"path": [[p, 1 - p]]},
            "skip_share": {},
            "choices": {"path.0": e},
            "eigenvalue": 1.0,
        }
        for e, p in ((0, 0.5), (1, 0.9))
    ]
    assert said(lines) == (
        "healthy: nothing to do (path: entropy fell from 1.000 to 0.469; no decision has changed since epoch 1; there are no "
        "operations of cells to judge)"
    )


def test_reduction_cells_are_not_judged():
    lines = history([cell(0)], group="normal")
    reduced = history([cell(6)], group="reduce")
    for key in ("probabilities", "skip_share", "choices"):
        lines[0][key] |= reduced[0][key]
    assert diagnose(Signs.of(lines)).word == "healthy"


def test_a_history_of_an_earlier_version_proposes_no_architecture():
    lines = history([cell(1), cell(6)])
    for line in lines:
        del line["choices"]
    assert diagnose(Signs.of(lines)) == Diagnosis(
        "collapsing", "search again with strategy.guard=eigenvalue",
        "100% of the operations in the found cell learn nothing", 1, again="strategy.guard=eigenvalue",
    )  # fmt: skip


def test_nothing_recorded_is_unknown():
    assert diagnose(Signs.of([])).sentence == "unknown: there is nothing to judge (no epochs of a search were recorded)"

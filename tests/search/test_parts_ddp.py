"""With parts, two gloo ranks with batches of B move logits and weights as one process with batches of 2 B does."""

import pytest
import torch
from parts_ddp_worker import PARTS, main
from processes import run_ranks


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp_of_parts")
    run_ranks(main, str(folder / "two"), 4, cwd=folder)
    main(str(folder / "one"), 8)
    return [torch.load(folder / name) for name in ("two.0", "two.1", "one.0")]


@pytest.mark.parametrize("kind", PARTS)
def test_two_ranks_with_parts_equal_one_with_twice_the_batch(searched, kind):
    first, second, alone = (result[kind] for result in searched)
    assert first["steps"] == alone["steps"] > 0
    assert first["choices"] == second["choices"] == alone["choices"]
    for name, value in alone["state"].items():
        assert torch.equal(first["state"][name], second["state"][name]), f"ranks differ in {name}"
        torch.testing.assert_close(first["state"][name], value, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


def test_ranks_see_the_same_eigenvalue_and_stop_together(searched):
    first, second, alone = (result["eigenvalue"] for result in searched)
    assert first["trace"] == second["trace"]
    assert first["trace"] == pytest.approx(alone["trace"], rel=1e-6)
    assert first["stopped"] == second["stopped"] == alone["stopped"]
    assert first["stopped"] is not None
    assert len(first["trace"]) < 4, "it has ended before its last epoch"


def test_ranks_let_the_same_operations_rest(searched):
    first, second, alone = (result["oles"]["frozen"] for result in searched)
    assert first == second == alone
    assert any(first)
    assert not all(first)


def test_ranks_draw_the_same_paths(searched):
    first, second, alone = (result["gumbel_hard"]["drawn"] for result in searched)
    assert first == second == alone
    assert len(set(first)) > 1

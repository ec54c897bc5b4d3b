"""Two gloo ranks with batches of B move logits and weights as one process with batches of 2 B does."""

import pytest
import torch
from ddp_worker import main
from processes import run_ranks
from toy_project import FAMILIES


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    run_ranks(main, str(folder / "two"), 4, cwd=folder)
    main(str(folder / "one"), 8)
    return [torch.load(folder / name) for name in ("two.0", "two.1", "one.0")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["first", "second", "exact", "single", "gdas"])
def test_two_ranks_equal_one_with_twice_the_batch(results, kind, family):
    first, second, alone = (result[family, kind] for result in results)
    assert first["steps"] == alone["steps"] > 0
    for name, value in alone["state"].items():
        assert torch.equal(first["state"][name], second["state"][name]), f"ranks differ in {name}"
        torch.testing.assert_close(first["state"][name], value, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("family", FAMILIES)
def test_sampled_paths_ask_for_unused_parameters(results, family):
    assert "ddp_find_unused_parameters_true" in results[0][family, "refusal"]

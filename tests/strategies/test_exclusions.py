"""Parts that exclude each other are refused by name before any work; so are values out of range."""

import pytest

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Darts as Space
from lightning_nas.spaces import Gas, NasBench201, Product
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.guards import Eigenvalue
from lightning_nas.strategies.gradient.samplers import GumbelSoft
from lightning_nas.strategies.gradient.selection import Threshold
from lightning_nas.strategies.gradient.stages import Progressive, Widening


@pytest.mark.parametrize(
    ("arguments", "first", "second"),
    [
        ({"sampler": "gumbel_hard", "perturbation": "random"}, "sampler = GumbelHard", "perturbation = RandomSmoothing"),
        ({"sampler": "two_paths", "betas": (0.0, 0.9), "weight_decay": 0.0, "perturbation": "adversarial"},
         "sampler = TwoPaths", "perturbation = Adversarial"),
        ({"order": 2, "partial_channels": 4}, "order = 2", "partial_channels = PartialChannels"),
        ({"order": 2, "edge_weights": True}, "order = 2", "edge_weights = True"),
        ({"order": 2, "sampler": "dirichlet"}, "order = 2", "sampler = Dirichlet"),
        ({"order": 2, "perturbation": "random"}, "order = 2", "perturbation = RandomSmoothing"),
        ({"order": 2, "guard": "oles"}, "order = 2", "guard = Oles"),
        ({"level": "single", "perturbation": "random"}, "level = 'single'", "perturbation ="),
        ({"level": "single", "guard": "eigenvalue"}, "level = 'single'", "guard = Eigenvalue"),
        ({"level": "single", "sampler": "two_paths", "betas": (0.0, 0.9), "weight_decay": 0.0},
         "level = 'single'", "sampler = TwoPaths"),
        ({"sampler": "gumbel_hard", "guard": "oles"}, "sampler = GumbelHard", "guard = Oles"),
        ({"sampler": "two_paths"}, "sampler = TwoPaths", r"betas = \[0.5, 0.999\], weight_decay = 0.001"),
        ({"sampler": "gumbel_hard", "auxiliary_skip": 1.0}, "sampler = GumbelHard", "auxiliary_skip ="),
        ({"sampler": "gumbel_hard", "select": "perturbation"}, "sampler = GumbelHard", "select = Removal"),
        ({"stages": "progressive", "select": "perturbation"}, "stages = Progressive", "select = Removal"),
        ({"stages": "widening"}, "stages = Widening", "partial_channels = 1"),
        ({"stages": Widening(partial_channels=[4]), "partial_channels": 2}, "stages = Widening", "partial_channels = P"),
    ],
)  # fmt: skip
def test_both_parts_are_named(arguments, first, second):
    with pytest.raises(ArgumentError, match=f"{first}.* and {second}.* exclude each other: "):
        Darts(**arguments)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Darts(sampler="softmx"), "sampler must be one of .*'softmax'.* or a Sampler, got 'softmx'"),
        (lambda: Darts(guard=3), "guard must be one of .* got 3"),
        (lambda: Darts(terms={"beta": 1.0}), r"terms.beta = 1.0: expected one of \['beta_decay'"),
        (lambda: Darts(terms={"macs": "much"}), "terms.macs must be a weight or a Term, got 'much'"),
        (lambda: Darts(terms={"beta_decay": -1.0}), "terms.beta_decay must be at least 0, got -1.0"),
        (lambda: Darts(partial_channels=0), "partial_channels must be a whole number of at least 1, got 0"),
        (lambda: Darts(auxiliary_skip=-1.0), "auxiliary_skip must be more than 0, got -1.0"),
        (lambda: GumbelSoft(tau_start=1.0, tau_end=2.0), "tau_end must be more than 0 and at most 1, got 2.0"),
        (lambda: Eigenvalue(every=3, delay=4), "guard.delay must be a multiple of guard.every = 3, got 4"),
        (
            lambda: Progressive(options=[3], grow={"cells": [5]}),
            "stages.grow.cells must hold a value per stage, 2, got 1",
        ),
        (
            lambda: Widening(options=[4, 3], partial_channels=[2]),
            r"stages.partial_channels must hold a value per stage but the first, 2, got \[2\]",
        ),
        (
            lambda: Widening(options=[4, 3], partial_channels=[2, 4]),
            r"stages.partial_channels must not rise: .*, got \[2, 4\]",
        ),
        (
            lambda: Widening(partial_channels=[1.5]),
            r"stages.partial_channels must hold whole numbers of at least 1, got \[1.5\]",
        ),
        (lambda: Progressive(options=[0]), r"stages.options must hold whole numbers of at least 1, got \[0\]"),
    ],
)
def test_bad_values_are_named(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()


@pytest.mark.parametrize(
    ("strategy", "space", "said"),
    [
        (
            Darts(select="threshold"),
            Space(),
            "select = Threshold.*: in the space 'darts' no decision has the option 'none'",
        ),
        (
            Darts(stages=Progressive(options=[3], grow={"cells": [1, 2]})),
            Gas(),
            "the space 'gas' has other decisions then",
        ),
        (
            Darts(stages=Progressive(options=[3], grow={"width": [1, 2]})),
            Space(),
            "the space 'darts' has no such argument",
        ),
    ],
)
def test_a_space_that_does_not_fit_is_refused(strategy, space, said):
    with pytest.raises(ArgumentError, match=said):
        strategy.check(space)


def test_a_space_that_fits_is_not():
    Darts(select=Threshold(least=0.5)).check(NasBench201())
    Darts(select="threshold").check(Product({"backbone": Gas()}))
    Darts(stages=Progressive(options=[3], grow={"cells": [1, 2]})).check(Space())


def test_second_order_goes_with_what_its_papers_allow():
    assert Darts(order=2, terms={"beta_decay": 1.0}, guard="eigenvalue", select="perturbation").order == 2

"""Short names of the parts, for arguments and configs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.guards import Eigenvalue, Guard, MaxSkips, Oles, Watch
from lightning_nas.strategies.gradient.perturbations import Adversarial, Perturbation, RandomSmoothing
from lightning_nas.strategies.gradient.samplers import (
    Dirichlet,
    GumbelHard,
    GumbelSoft,
    Sampler,
    Sigmoid,
    Softmax,
    TwoPaths,
)
from lightning_nas.strategies.gradient.selection import Argmax, Removal, Selection, Threshold
from lightning_nas.strategies.gradient.stages import Progressive, Stages, Widening
from lightning_nas.strategies.gradient.terms import BetaDecay, Distance, Latency, Macs, Params, Term, ZeroOne

SAMPLERS: dict[str, type[Sampler]] = {
    "softmax": Softmax,
    "gumbel_soft": GumbelSoft,
    "gumbel_hard": GumbelHard,
    "dirichlet": Dirichlet,
    "sigmoid": Sigmoid,
    "two_paths": TwoPaths,
}
PERTURBATIONS: dict[str, type[Perturbation]] = {"random": RandomSmoothing, "adversarial": Adversarial}
GUARDS: dict[str, type[Guard]] = {"eigenvalue": Eigenvalue, "oles": Oles, "max_skips": MaxSkips, "watch": Watch}
SELECTIONS: dict[str, type[Selection]] = {"argmax": Argmax, "perturbation": Removal, "threshold": Threshold}
STAGES: dict[str, type[Stages]] = {"progressive": Progressive, "widening": Widening}
TERMS: dict[str, type[Term]] = {
    "beta_decay": BetaDecay,
    "zero_one": ZeroOne,
    "distance": Distance,
    "macs": Macs,
    "params": Params,
    "latency": Latency,
}
NO_TERMS: Mapping[str, float | Term] = MappingProxyType(dict.fromkeys(TERMS, 0.0))


def chosen_terms(given: Mapping[str, float | Term]) -> dict[str, Term]:
    """The terms that count, by name; given as weights or as such.

    Raises:
        ArgumentError: If a weight has a name that is not known, or is no number.
    """
    terms: dict[str, Term] = {}
    for name, value in given.items():
        if isinstance(value, Term):
            terms[name] = value
        elif name not in TERMS:
            raise ArgumentError(f"terms.{name} = {value!r}: expected one of {sorted(TERMS)}, or a Term")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ArgumentError(f"terms.{name} must be a weight or a Term, got {value!r}")
        else:
            terms[name] = TERMS[name](weight=value)  # type: ignore[call-arg]
    return {name: term for name, term in terms.items() if term.active}

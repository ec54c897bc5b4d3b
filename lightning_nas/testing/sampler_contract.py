"""What every black-box strategy promises."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import optuna
import pytest
from optuna.samplers import BaseSampler

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces import Darts, MetaQnn, NasBench201, NasFpn, SearchSpace
from lightning_nas.strategies import ArchitectureSampler
from lightning_nas.strategies.blackbox import choices_of, suggest

MakeSampler = Callable[[SearchSpace, int], BaseSampler]
"""Space, seed -> the sampler under test."""

Usual = Callable[[str], list[dict[str, Option]]]
"""Name of a space -> what the sampler proposes there in a search with the seed 0."""

SPACES: Mapping[str, SearchSpace] = {
    "nasbench201": NasBench201(nodes=3),
    "darts": Darts(steps=2),
    "nas_fpn": NasFpn(channels=4, cells=3, repeats=1, min_level=3, max_level=5),
    "metaqnn": MetaQnn(depth=4, image_size=16),
}
"""One space of independent decisions, and some whose options depend on the choices before."""


_FOUND: dict[tuple[type, str, str], list[dict[str, Option]]] = {}


class SamplerContract:
    """Inherit, and give a ``make`` fixture: ``make(space, seed)`` is the sampler."""

    trials = 24

    @pytest.fixture
    def make(self) -> MakeSampler:
        """The sampler under test."""
        raise NotImplementedError

    def value(self, choices: Choices) -> float:
        """What the sampler is told, from 0 to 1."""
        return random.Random(repr(sorted(choices.items()))).random()

    def search(self, study: optuna.Study, space: SearchSpace, count: int) -> list[dict[str, Option]]:
        """Asks and tells; the architectures of all trials of the study."""
        for _ in range(count):
            trial = study.ask()
            study.tell(trial, self.value(suggest(trial, space)))
        return [choices_of(trial, space) for trial in study.trials]

    @pytest.fixture
    def usual(self, request: pytest.FixtureRequest, make: MakeSampler) -> Usual:
        """What is found in the space of a name with the seed 0: searched once for all tests of a sampler."""
        parameters = {**getattr(getattr(request.node, "callspec", None), "params", {})}
        parameters.pop("kind", None)

        def searched(kind: str) -> list[dict[str, Option]]:
            key = type(self), repr(parameters), kind
            if key not in _FOUND:
                study = optuna.create_study(direction="maximize", sampler=make(SPACES[kind], 0))
                _FOUND[key] = self.search(study, SPACES[kind], self.trials)
            return _FOUND[key]

        return searched

    @pytest.mark.parametrize("kind", SPACES)
    def test_proposals_are_architectures_of_the_space(self, usual: Usual, kind: str) -> None:
        """Of any space, dependent decisions included; and not always the same one."""
        space, found = SPACES[kind], usual(kind)
        for choices in found:
            space.validate(choices)
        assert len({tuple(choices.items()) for choices in found}) > self.trials // 4

    def test_same_seed_same_search(self, make: MakeSampler, usual: Usual) -> None:
        """Everything follows from the seed and the told values."""
        space = SPACES["nasbench201"]
        twin = optuna.create_study(direction="maximize", sampler=make(space, 0))
        assert self.search(twin, space, self.trials) == usual("nasbench201")
        other = optuna.create_study(direction="maximize", sampler=make(space, 2))
        assert any(self.search(other, space, 1)[-1] != choices for choices in usual("nasbench201"))

    def test_failed_trials_are_survived(self, make: MakeSampler) -> None:
        """The search goes on, and not with the same architecture for ever."""
        space = SPACES["nasbench201"]
        study = optuna.create_study(direction="maximize", sampler=make(space, 0))
        for index in range(self.trials):
            trial = study.ask()
            value = self.value(suggest(trial, space))
            if index % 3 == 0:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)
        assert len({tuple(choices_of(trial, space).items()) for trial in study.trials}) > self.trials // 4

    def test_queued_architectures_are_evaluated(self, make: MakeSampler) -> None:
        """A trial whose choices were given keeps them, and the sampler learns from it."""
        space = SPACES["nasbench201"]
        study = optuna.create_study(direction="maximize", sampler=make(space, 0))
        given = dict.fromkeys(space.decisions, "none")
        study.enqueue_trial(dict(given))
        assert self.search(study, space, self.trials)[0] == given

    def test_a_new_sampler_goes_on_with_the_study(self, make: MakeSampler, usual: Usual) -> None:
        """One of ours proposes what the old one would have: all that it knows is in the study."""
        space = SPACES["nasbench201"]
        if not isinstance(make(space, 0), ArchitectureSampler):
            pytest.skip("Optuna's samplers keep the state of their random numbers to themselves")
        study = optuna.create_study(direction="maximize", sampler=make(space, 0))
        self.search(study, space, self.trials // 2)
        study.sampler = make(space, 0)
        assert self.search(study, space, self.trials - self.trials // 2) == usual("nasbench201")

    def test_minimising_is_maximising_the_negative(self, make: MakeSampler, usual: Usual) -> None:
        """The direction is the study's."""
        space = SPACES["nasbench201"]
        if not isinstance(make(space, 0), ArchitectureSampler):
            pytest.skip("Optuna's own affair")
        study = optuna.create_study(direction="minimize", sampler=make(space, 0))
        for _ in range(self.trials):
            trial = study.ask()
            study.tell(trial, -self.value(suggest(trial, space)))
        assert [choices_of(trial, space) for trial in study.trials] == usual("nasbench201")

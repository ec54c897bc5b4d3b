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

SPACES: Mapping[str, SearchSpace] = {
    "nasbench201": NasBench201(nodes=3),
    "darts": Darts(steps=2),
    "nas_fpn": NasFpn(channels=4, cells=3, repeats=1, min_level=3, max_level=5),
    "metaqnn": MetaQnn(depth=4, image_size=16),
}
"""One space of independent decisions, and some whose options depend on the choices before."""


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

    @pytest.mark.parametrize("kind", SPACES)
    def test_proposals_are_architectures_of_the_space(self, make: MakeSampler, kind: str) -> None:
        """Of any space, dependent decisions included; and not always the same one."""
        space = SPACES[kind]
        found = self.search(optuna.create_study(direction="maximize", sampler=make(space, 0)), space, self.trials)
        for choices in found:
            space.validate(choices)
        assert len({tuple(choices.items()) for choices in found}) > self.trials // 4

    def test_same_seed_same_search(self, make: MakeSampler) -> None:
        """Everything follows from the seed and the told values."""
        space = SPACES["nasbench201"]
        first, twin, other = (
            self.search(optuna.create_study(direction="maximize", sampler=make(space, seed)), space, self.trials)
            for seed in (1, 1, 2)
        )
        assert first == twin
        assert first != other

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

    def test_a_new_sampler_goes_on_with_the_study(self, make: MakeSampler) -> None:
        """One of ours proposes what the old one would have: all that it knows is in the study."""
        space = SPACES["nasbench201"]
        if not isinstance(make(space, 0), ArchitectureSampler):
            pytest.skip("Optuna's samplers keep the state of their random numbers to themselves")
        whole = self.search(optuna.create_study(direction="maximize", sampler=make(space, 0)), space, self.trials)
        study = optuna.create_study(direction="maximize", sampler=make(space, 0))
        self.search(study, space, self.trials // 2)
        study.sampler = make(space, 0)
        assert self.search(study, space, self.trials - self.trials // 2) == whole

    def test_minimising_is_maximising_the_negative(self, make: MakeSampler) -> None:
        """The direction is the study's."""
        space = SPACES["nasbench201"]
        if not isinstance(make(space, 0), ArchitectureSampler):
            pytest.skip("Optuna's own affair")
        up = self.search(optuna.create_study(direction="maximize", sampler=make(space, 0)), space, self.trials)
        study = optuna.create_study(direction="minimize", sampler=make(space, 0))
        for _ in range(self.trials):
            trial = study.ask()
            study.tell(trial, -self.value(suggest(trial, space)))
        assert [choices_of(trial, space) for trial in study.trials] == up

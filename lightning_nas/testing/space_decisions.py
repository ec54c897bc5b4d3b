"""What the decisions of every search space promise."""

from __future__ import annotations

import copy
import pickle
import random

import pytest
import torch

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import SearchSpace, from_architecture
from lightning_nas.testing.space_fixtures import SpaceFixtures


class DecisionContract(SpaceFixtures):
    """Samples, neighbours, encodings and texts of a space, and the record of an architecture."""

    def test_decision_names_are_unique(self, space: SearchSpace) -> None:
        """No two decisions share a name."""
        assert len(set(space.decisions)) == len(space.decisions) > 0

    def test_samples_are_valid_and_reproducible(self, space: SearchSpace) -> None:
        """Samples belong to the space, and follow from the generator alone."""
        first = [space.sample(random.Random(seed)) for seed in range(self.samples)]
        assert first == [space.sample(random.Random(seed)) for seed in range(self.samples)]
        for choices in first:
            space.validate(choices)

    def test_mutation_changes_something_and_stays_inside(self, space: SearchSpace) -> None:
        """A mutant is another architecture of the space."""
        for seed in range(self.samples):
            rng = random.Random(seed)
            parent = space.sample(rng)
            child = space.mutate(parent, rng)
            space.validate(child)
            assert child != parent or space.size() == 1

    def test_crossover_stays_inside(self, space: SearchSpace) -> None:
        """A child of two architectures is one; of equal parents it is their twin."""
        for seed in range(self.samples):
            rng = random.Random(seed)
            first, second = space.sample(rng), space.sample(rng)
            space.validate(space.crossover(first, second, rng))
            assert space.crossover(first, first, rng) == first

    def test_neighbours_are_valid_distinct_and_other(self, space: SearchSpace) -> None:
        """Neighbours belong to the space and differ from the centre and from one another."""
        choices = space.sample(random.Random(0))
        neighbours = space.neighbours(choices)
        assert choices not in neighbours
        assert len({tuple(n.items()) for n in neighbours}) == len(neighbours)
        for neighbour in neighbours:
            space.validate(neighbour)

    def test_encoding_tells_architectures_apart(self, space: SearchSpace) -> None:
        """Equal length, one bit per active decision, different codes for different architectures."""
        found = [space.sample(random.Random(seed)) for seed in range(self.samples)]
        codes = [space.encode(choices) for choices in found]
        for choices, code in zip(found, codes, strict=True):
            assert code.shape == codes[0].shape
            assert code.sum() == len(choices)
        for i, first in enumerate(found):
            for j, second in enumerate(found):
                assert (first == second) == torch.equal(codes[i], codes[j])

    def test_text_form_rebuilds_the_choices(self, space: SearchSpace) -> None:
        """One line for every architecture, and back; another one for another architecture."""
        found = [space.sample(random.Random(seed)) for seed in range(self.samples)]
        texts = [space.to_text(choices) for choices in found]
        assert [space.from_text(text) for text in texts] == found
        assert all("\n" not in text for text in texts)
        with pytest.raises(ArchitectureError):
            space.from_text("no_such_architecture")

    def test_canonical_text_is_that_of_the_architecture(self, space: SearchSpace) -> None:
        """Equal architectures have equal canonical texts, in whatever order their choices come."""
        choices = space.sample(random.Random(0))
        assert space.canonical(choices) == space.canonical(dict(reversed(choices.items())))

    def test_state_of_a_prefix_tells_how_to_go_on(self, space: SearchSpace) -> None:
        """The state exists for every prefix, and differs between positions."""
        choices = space.sample(random.Random(0))
        names = list(choices)
        states = [space.state({name: choices[name] for name in names[:count]}) for count in range(len(names))]
        assert len(set(states)) == len(states)

    def test_foreign_choices_are_refused(self, space: SearchSpace) -> None:
        """Unknown decisions and options and missing decisions are named in the error."""
        choices = space.sample(random.Random(0))
        name = next(iter(choices))
        with pytest.raises(ArchitectureError, match="no_such_decision"):
            space.validate({**choices, "no_such_decision": 0})
        with pytest.raises(ArchitectureError, match="no_such_option"):
            space.validate({**choices, name: "no_such_option"})
        with pytest.raises(ArchitectureError, match="missing"):
            space.validate({other: option for other, option in choices.items() if other != name})

    def test_space_is_a_value(self, space: SearchSpace) -> None:
        """Equal to its copies, hashable."""
        for twin in (copy.deepcopy(space), pickle.loads(pickle.dumps(space))):
            assert twin == space
            assert hash(twin) == hash(space)

    def test_record_rebuilds_the_architecture(self, space: SearchSpace) -> None:
        """Through JSON and back: the same record, and a network of the same tensors."""
        choices = space.sample(random.Random(1))
        record = space.architecture(choices)
        loaded = Architecture.from_json(record.to_json())
        assert loaded == record
        assert loaded.hash == record.hash
        rebuilt, again = from_architecture(loaded)
        assert rebuilt.architecture(again) == record
        theirs, ours = rebuilt.network(again).state_dict(), self.network(space, 1).state_dict()
        assert {name: t.shape for name, t in theirs.items()} == {name: t.shape for name, t in ours.items()}

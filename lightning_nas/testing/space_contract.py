"""What every search space promises."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces import SearchSpace, from_architecture
from lightning_nas.spaces.option_weights import OptionWeights

Test = TypeVar("Test", bound=Callable[..., None])


def with_supernet(test: Test) -> Test:
    """Marks a test of a supernet; it is skipped for a space that has none."""
    test.needs_supernet = True  # type: ignore[attr-defined]
    return test


def _keep(outputs: list[Tensor], module: nn.Module, inputs: object, output: Tensor) -> None:
    """A forward hook that keeps what a module gives."""
    outputs.append(output)


class SpaceContract:
    """Inherit, and give the space in a ``space`` fixture; keep it small, networks are built and run.

    Override :meth:`images` for a space that does not read images.
    """

    samples = 5

    @pytest.fixture(autouse=True)
    def _same_weights(self) -> None:
        """Networks of a test have the same weights in every run."""
        torch.manual_seed(0)

    @pytest.fixture
    def space(self) -> SearchSpace:
        """The space under test."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _no_supernet_no_test(self, request: pytest.FixtureRequest, space: SearchSpace) -> None:
        """A space without a supernet is not tested for one."""
        if getattr(request.function, "needs_supernet", False) and not space.has_supernet:
            pytest.skip(f"space {space.name!r} has no supernet")

    def images(self, space: SearchSpace) -> Tensor:
        """A batch that networks of the space accept."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(2, getattr(space, "in_channels", 3), 32, 32, generator=generator)

    # ---- decisions ----------------------------------------------------------------------------------------------

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

    # ---- records ------------------------------------------------------------------------------------------------

    def test_record_rebuilds_the_architecture(self, space: SearchSpace) -> None:
        """Through JSON and back: the same record, and a network of the same tensors."""
        choices = space.sample(random.Random(1))
        record = space.architecture(choices)
        loaded = Architecture.from_json(record.to_json())
        assert loaded == record
        assert loaded.hash == record.hash
        rebuilt, again = from_architecture(loaded)
        assert rebuilt.architecture(again) == record
        theirs, ours = rebuilt.network(again).state_dict(), space.network(choices).state_dict()
        assert {name: t.shape for name, t in theirs.items()} == {name: t.shape for name, t in ours.items()}

    # ---- networks -----------------------------------------------------------------------------------------------

    def test_networks_return_what_feature_info_says(self, space: SearchSpace) -> None:
        """Fixed networks and the supernet: number of maps, channels, strides; the auxiliary map too."""
        x = self.images(space)
        networks = [space.network(space.sample(random.Random(seed))) for seed in range(2)]
        networks += [space.supernet()] if space.has_supernet else []
        for network in networks:
            features, auxiliary = network.forward_auxiliary(x)
            assert [f.shape[1] for f in features] == network.feature_info.channels()
            assert [x.shape[-1] // f.shape[-1] for f in features] == network.feature_info.reduction()
            assert network.feature_info.reduction() == sorted(network.feature_info.reduction())
            assert (auxiliary is None) == (network.auxiliary_info is None)
            if auxiliary is not None and network.auxiliary_info is not None:
                assert auxiliary.shape[1] == network.auxiliary_info.channels
                assert x.shape[-1] // auxiliary.shape[-1] == network.auxiliary_info.reduction
        if not space.levels_follow_choices:
            assert networks[0].feature_info.channels() == networks[-1].feature_info.channels()
            assert networks[0].feature_info.reduction() == networks[-1].feature_info.reduction()

    def test_named_modules_give_the_maps(self, space: SearchSpace) -> None:
        """A hook on the module that ``feature_info`` names sees the map, in fixed networks and in the supernet."""
        x = self.images(space)
        networks = [space.network(space.sample(random.Random(seed))) for seed in range(2)]
        networks += [space.supernet()] if space.has_supernet else []
        for network in networks:
            names = network.feature_info.module_name()
            assert len(set(names)) == len(names)
            if network.auxiliary_info is not None:
                names = [*names, network.auxiliary_info.module]
            seen: dict[str, list[Tensor]] = {name: [] for name in names}
            for name, outputs in seen.items():
                network.get_submodule(name).register_forward_hook(partial(_keep, outputs))
            features, auxiliary = network.forward_auxiliary(x)
            maps = features if auxiliary is None else [*features, auxiliary]
            for name, expected in zip(names, maps, strict=True):
                assert len(seen[name]) == 1, name
                assert seen[name][0] is expected or torch.equal(seen[name][0], expected), name

    def test_feature_extractor_of_torchvision_gives_the_maps(self, space: SearchSpace) -> None:
        """Fixed networks can be traced by torch.fx, and the named nodes are their maps."""
        x = self.images(space)
        network = space.network(space.sample(random.Random(0))).eval()
        names = network.feature_info.module_name()
        extracted = create_feature_extractor(network, names)(x)
        for name, expected in zip(names, network(x), strict=True):
            assert torch.equal(extracted[name], expected), name

    # ---- supernet -----------------------------------------------------------------------------------------------

    @with_supernet
    def test_logits_and_weights_share_nothing(self, space: SearchSpace) -> None:
        """Every parameter is either a logit or a weight."""
        supernet = space.supernet()
        logits = {id(p) for p in supernet.logits.parameters()}
        weights = {id(p) for p in supernet.weights().values()}
        assert logits
        assert not logits & weights
        assert logits | weights == {id(p) for p in supernet.parameters()}
        assert all(group.dim() == 2 for group in supernet.logits.values())

    @with_supernet
    def test_initial_logits_follow_the_generator(self, space: SearchSpace) -> None:
        """Equal seeds give equal logits, others do not."""
        first, twin, other = (space.supernet(generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert all(torch.equal(first.logits[name], twin.logits[name]) for name in first.logits)
        assert any(not torch.equal(first.logits[name], other.logits[name]) for name in first.logits)

    @with_supernet
    def test_every_logit_gets_a_finite_gradient(self, space: SearchSpace) -> None:
        """The loss depends on all groups, finitely."""
        supernet = space.supernet()
        features = supernet(self.images(space))
        loss = sum((f * torch.randn_like(f)).mean() for f in features)
        assert isinstance(loss, Tensor)
        loss.backward()
        for name, group in supernet.logits.items():
            assert group.grad is not None, name
            assert group.grad.isfinite().all()
            assert group.grad.abs().sum() > 0, name

    @with_supernet
    def test_relaxation_is_asked_once_per_forward(self, space: SearchSpace) -> None:
        """All cells of a group share a sample."""
        supernet = space.supernet()
        inner, calls = supernet.relaxation, []

        def counting(logits: dict[str, Tensor]) -> dict[str, OptionWeights]:
            calls.append(sorted(logits))
            return dict(inner(logits))

        supernet.relaxation = counting  # type: ignore[assignment]
        supernet(self.images(space))
        assert calls == [sorted(supernet.logits)]

    @with_supernet
    def test_one_active_path_equals_its_one_hot_weights(self, space: SearchSpace) -> None:
        """Computing one path only gives what all options with weights 0 and 1 give."""
        supernet = space.supernet().double().eval()
        x = self.images(space).double()
        choices = space.sample(random.Random(3))
        supernet.activate(choices)
        with torch.no_grad():
            path = supernet(x)
            weights = {name: OptionWeights(w.values) for name, w in supernet.option_weights().items()}
            supernet.activate(None)
            supernet.relaxation = lambda logits: weights
            mixed = supernet(x)
        for one, all_of_them in zip(path, mixed, strict=True):
            torch.testing.assert_close(one, all_of_them)

    @with_supernet
    def test_sampled_options_may_be_the_only_ones_computed(self, space: SearchSpace) -> None:
        """One drawn option per edge, as in GDAS: any draw gives finite maps of the usual shapes and finite gradients."""
        supernet = space.supernet()
        x = self.images(space)
        expected = [f.shape for f in supernet(x)]
        generator = torch.Generator().manual_seed(0)

        def draw(logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
            drawn = {}
            for name, group in logits.items():
                index = torch.randint(group.shape[1], (group.shape[0],), generator=generator)
                hard = torch.nn.functional.one_hot(index, group.shape[1]).to(group)
                soft = group.softmax(dim=-1)
                drawn[name] = OptionWeights(hard - soft.detach() + soft, tuple((int(i),) for i in index))
            return drawn

        supernet.relaxation = draw
        for _ in range(self.samples):
            features = supernet(x)
            assert [f.shape for f in features] == expected
            loss = torch.stack([f.square().mean() for f in features]).sum()
            loss.backward()
            assert loss.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in supernet.parameters())

    @with_supernet
    def test_supernet_returns_chosen_maps(self, space: SearchSpace) -> None:
        """``out_indices`` choose and order the maps and what describes them, and change no name of a tensor."""
        whole, chosen = space.supernet(), space.supernet(out_indices=(-1, 0)).eval()
        assert list(whole.state_dict()) == list(chosen.state_dict())
        x = self.images(space)
        with torch.no_grad():
            expected, _ = chosen.all_maps(x)
            maps = chosen(x)
        assert len(expected) == len(whole.feature_info)
        assert [torch.equal(ours, theirs) for ours, theirs in zip(maps, (expected[-1], expected[0]), strict=True)] == [
            True
        ] * 2
        assert chosen.feature_info.channels() == [x.shape[1] for x in maps]
        assert chosen.feature_info.info == whole.feature_info.info
        with pytest.raises(ValueError, match="out_indices"):
            space.supernet(out_indices=(len(expected),))

    @with_supernet
    def test_activation_is_undone(self, space: SearchSpace) -> None:
        """After ``activate(None)`` the mix is back."""
        supernet = space.supernet().eval()
        x = self.images(space)
        with torch.no_grad():
            before = supernet(x)[-1]
            supernet.activate(space.sample(random.Random(0)))
            between = supernet(x)[-1]
            supernet.activate(None)
            assert torch.equal(supernet(x)[-1], before)
        assert not torch.equal(between, before)

    @with_supernet
    def test_supernet_survives_a_copy(self, space: SearchSpace) -> None:
        """``deepcopy`` and ``state_dict`` carry logits and weights over."""
        supernet = space.supernet(generator=torch.Generator().manual_seed(5)).eval()
        twin = copy.deepcopy(supernet)
        fresh = space.supernet().eval()
        fresh.load_state_dict(supernet.state_dict())
        x = self.images(space)
        with torch.no_grad():
            expected = supernet(x)[-1]
            assert torch.equal(twin(x)[-1], expected)
            assert torch.equal(fresh(x)[-1], expected)

    # ---- decoding -----------------------------------------------------------------------------------------------

    @with_supernet
    def test_both_forms_compute_and_learn_the_same(self, space: SearchSpace) -> None:
        """Where a supernet has cells with a fast form, that is the function of the textbook's, and so are its gradients."""
        fused = space.supernet().double()
        if not any(isinstance(module, Mixing) for module in fused.modules()):
            pytest.skip(f"the supernet of space {space.name!r} has the textbook form alone")
        textbook = copy.deepcopy(fused)
        fused.set_form("fused")
        textbook.set_form("textbook")
        images = self.images(space).double()
        for supernet in (fused, textbook):
            maps, _ = supernet.forward_auxiliary(images)
            sum((x * torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x)).sum() for x in maps).backward()  # type: ignore[union-attr]
        for (name, parameter), other in zip(fused.named_parameters(), textbook.parameters(), strict=True):
            if parameter.grad is None or other.grad is None:
                assert parameter.grad is other.grad, name
            elif not name.endswith("conv.bias"):  # in front of a BatchNorm: zero up to rounding
                assert (parameter.grad - other.grad).norm() <= 1e-7 * (1 + other.grad.norm()), name
        for (name, buffer), other_buffer in zip(fused.named_buffers(), textbook.buffers(), strict=True):
            torch.testing.assert_close(buffer, other_buffer, msg=name)
        with torch.no_grad():
            for x, y in zip(fused(images), textbook(images), strict=True):
                torch.testing.assert_close(x, y)

    @with_supernet
    def test_decode_gives_an_architecture_without_moving_logits(self, space: SearchSpace) -> None:
        """Any logits decode to an architecture of the space."""
        for seed in range(self.samples):
            supernet = space.supernet(generator=torch.Generator().manual_seed(seed))
            before = {name: group.clone() for name, group in supernet.logits.items()}
            space.validate(space.decode(dict(supernet.logits.items())))
            assert all(torch.equal(before[name], group) for name, group in supernet.logits.items())

    @with_supernet
    def test_path_of_an_architecture_decodes_to_it(self, space: SearchSpace) -> None:
        """Logits that are high on the path of an architecture decode to that architecture."""
        supernet = space.supernet()
        for seed in range(self.samples):
            choices = space.sample(random.Random(seed))
            logits = {name: torch.zeros_like(group) for name, group in supernet.logits.items()}
            for name, path in supernet.path(choices).items():
                for edge, options in enumerate(path):
                    logits[name][edge, list(options)] = 10.0
            assert space.decode(logits) == choices

    @with_supernet
    def test_found_modules_lie_in_the_supernet(self, space: SearchSpace) -> None:
        """Every parameter of a found network has a counterpart of the same shape, or none because it is BatchNorm's."""
        supernet = space.supernet()
        choices = space.sample(random.Random(4))
        network = space.network(choices)
        modules = dict(supernet.named_modules())
        for found, source in supernet.module_sources(choices).items():
            ours, theirs = network.get_submodule(found), modules[source]
            shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
            own = {name: tensor.shape for name, tensor in ours.state_dict().items()}
            assert all(own[name] == shapes[name] for name in own.keys() & shapes.keys()), found

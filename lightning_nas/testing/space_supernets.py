"""What the supernet of every search space promises."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from lightning_nas.errors import NasError
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces import SearchSpace, Supernet
from lightning_nas.spaces.option_weights import OptionWeights
from lightning_nas.testing.space_fixtures import SpaceFixtures, with_logits, with_supernet


def _searched(space: SearchSpace) -> list[SearchSpace]:
    """The parts that a product searches; a space that is none itself."""
    parts = space.named_parts()
    searched = [part for name, part in parts.items() if any(own.startswith(f"{name}/") for own in space.decisions)]
    return searched or [space]


class SupernetContract(SpaceFixtures):
    """Logits, paths, forms and decoding of the supernet of a space."""

    @with_supernet
    def test_logits_and_weights_share_nothing(self, space: SearchSpace, supernet: Supernet) -> None:
        """Every parameter is either a logit or a weight."""
        logits = {id(p) for p in supernet.logits.parameters()}
        weights = {id(p) for p in supernet.weights().values()}
        assert bool(logits) == any(part.mixes for part in _searched(space))
        assert not logits & weights
        assert logits | weights == {id(p) for p in supernet.parameters()}
        assert all(group.dim() == 2 for group in supernet.logits.values())

    @with_logits
    def test_initial_logits_follow_the_generator(
        self, supernet: Supernet, other_supernet: Supernet, chosen_supernet: Supernet
    ) -> None:
        """Equal seeds give equal logits, others do not."""
        first, twin, other = other_supernet, chosen_supernet, supernet
        assert all(torch.equal(first.logits[name], twin.logits[name]) for name in first.logits)
        assert any(not torch.equal(first.logits[name], other.logits[name]) for name in first.logits)

    @with_logits
    def test_every_logit_gets_a_finite_gradient(self, space: SearchSpace, supernet: Supernet) -> None:
        """The loss depends on all groups, finitely."""
        features = supernet(self.images(space))
        loss = sum((f * torch.randn_like(f)).mean() for f in features)
        assert isinstance(loss, Tensor)
        logits = dict(supernet.logits.items())
        gradients = torch.autograd.grad(loss, list(logits.values()), allow_unused=True)
        for name, gradient in zip(logits, gradients, strict=True):
            assert gradient is not None, name
            assert gradient.isfinite().all()
            assert gradient.abs().sum() > 0, name

    @with_logits
    def test_relaxation_is_asked_once_per_forward(self, space: SearchSpace, supernet: Supernet) -> None:
        """All cells of a group share a sample."""
        inner, calls = supernet.relaxation, []

        def counting(logits: dict[str, Tensor]) -> dict[str, OptionWeights]:
            calls.append(sorted(logits))
            return dict(inner(logits))

        supernet.relaxation = counting  # type: ignore[assignment]
        with torch.no_grad():
            supernet(self.images(space))
        assert calls == [sorted(supernet.logits)]

    @with_logits
    def test_one_active_path_equals_its_one_hot_weights(self, space: SearchSpace, supernet: Supernet) -> None:
        """Computing one path only gives what all options with weights 0 and 1 give."""
        supernet.double().eval()
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

    @with_logits
    def test_sampled_options_may_be_the_only_ones_computed(self, space: SearchSpace, supernet: Supernet) -> None:
        """One drawn option per edge, as in GDAS: any draw gives finite maps of the usual shapes and finite gradients."""
        x = self.images(space)
        with torch.no_grad():
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
    def test_supernet_returns_chosen_maps(
        self, space: SearchSpace, supernet: Supernet, chosen_supernet: Supernet
    ) -> None:
        """``out_indices`` choose and order the maps and what describes them, and change no name of a tensor."""
        whole, chosen = supernet, chosen_supernet.eval()
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
            whole.returning((len(expected),))

    @with_supernet
    def test_activation_is_undone(self, space: SearchSpace, supernet: Supernet) -> None:
        """After ``activate(None)`` the mix is back."""
        supernet.eval()
        x = self.images(space)
        with torch.no_grad():
            before = supernet(x)[-1]
            supernet.activate(space.sample(random.Random(0)))
            between = supernet(x)[-1]
            supernet.activate(None)
            assert torch.equal(supernet(x)[-1], before)
        assert not torch.equal(between, before)

    @with_supernet
    def test_supernet_survives_a_copy(self, space: SearchSpace, supernet: Supernet, other_supernet: Supernet) -> None:
        """``deepcopy`` and ``state_dict`` carry logits and weights over."""
        fresh = other_supernet.eval()
        twin = copy.deepcopy(supernet.eval())
        x = self.images(space)
        with torch.no_grad():
            expected = supernet(x)[-1]
            assert torch.equal(twin(x)[-1], expected)
            fresh.load_state_dict(supernet.state_dict())
            assert torch.equal(fresh(x)[-1], expected)

    @with_supernet
    def test_both_forms_compute_and_learn_the_same(
        self, space: SearchSpace, supernet: Supernet, other_supernet: Supernet
    ) -> None:
        """Where a supernet has cells with a fast form, that is the function of the textbook's, and so are its gradients."""
        if not any(isinstance(module, Mixing) for module in supernet.modules()):
            pytest.skip(f"the supernet of space {space.name!r} has the textbook form alone")
        fused, textbook = supernet.double(), other_supernet.double()
        textbook.load_state_dict(fused.state_dict())
        fused.set_form("fused")
        textbook.set_form("textbook")
        images = self.images(space).double()
        for network in (fused, textbook):
            maps, _ = network.forward_auxiliary(images)
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
    def test_a_network_that_is_cut_out_computes_the_active_path(self, space: SearchSpace, supernet: Supernet) -> None:
        """Ordinary modules with copies of the supernet's tensors, in evaluation mode."""
        supernet.eval()
        if space.mixes and space.levels_follow_choices:
            pytest.skip("the supernet returns other maps")
        if any("pool" in str(name) for name in getattr(space, "ops", ())):
            pytest.skip("a supernet may normalise a pooling that the found network does not")
        choices = space.sample(random.Random(2))
        supernet.activate(choices)
        network = self.network(space, 2).eval()
        network.load_state_dict(supernet.cut(choices))
        x = self.images(space)
        with torch.no_grad():
            for path, cut in zip(supernet(x), network(x), strict=True):
                torch.testing.assert_close(path[:, : cut.shape[1]], cut, rtol=1e-5, atol=1e-5)

    @with_supernet
    def test_what_has_no_logits_is_refused_by_gradients(self, space: SearchSpace, supernet: Supernet) -> None:
        """Decoding such a space says that there is nothing to decode, instead of giving some architecture."""
        if space.mixes:
            pytest.skip(f"space {space.name!r} has logits")
        if not any(part.mixes for part in _searched(space)):
            assert not supernet.logits
        with pytest.raises(NasError, match="no logits"):
            space.decode({})

    @with_logits
    def test_decode_gives_an_architecture_without_moving_logits(self, space: SearchSpace, supernet: Supernet) -> None:
        """Any logits decode to an architecture of the space."""
        logits = dict(supernet.logits.items())
        for seed in range(self.samples):
            generator = torch.Generator().manual_seed(seed)
            drawn = {name: 1e-3 * torch.randn(group.shape, generator=generator) for name, group in logits.items()}
            with torch.no_grad():
                for name, group in logits.items():
                    group.copy_(drawn[name])
            space.validate(space.decode(logits))
            assert all(torch.equal(drawn[name], group) for name, group in logits.items())

    @with_logits
    def test_path_of_an_architecture_decodes_to_it(self, space: SearchSpace, supernet: Supernet) -> None:
        """Logits that are high on the path of an architecture decode to that architecture."""
        for seed in range(self.samples):
            choices = space.sample(random.Random(seed))
            logits = {name: torch.zeros_like(group) for name, group in supernet.logits.items()}
            for name, path in supernet.path(choices).items():
                for edge, options in enumerate(path):
                    logits[name][edge, list(options)] = 10.0
            assert space.decode(logits) == choices

    @with_supernet
    def test_found_modules_lie_in_the_supernet(self, space: SearchSpace, supernet: Supernet) -> None:
        """Every parameter of a found network has a counterpart of the same shape, or none because it is BatchNorm's."""
        choices, network = space.sample(random.Random(2)), self.network(space, 2)
        modules = dict(supernet.named_modules())
        for found, source in supernet.module_sources(choices).items():
            ours, theirs = network.get_submodule(found), modules[source]
            shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
            own = {name: tensor.shape for name, tensor in ours.state_dict().items()}
            assert all(own[name] == shapes[name] for name in own.keys() & shapes.keys()), found

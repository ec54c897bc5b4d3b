"""Parts that exclude each other, refused by name before any work."""

from __future__ import annotations

from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.stages import Widening


def check_parts(parts: Any) -> None:
    """Refuses combinations for which no paper says what they mean, or that contradict each other.

    Args:
        parts: The strategy.

    Raises:
        ArgumentError: Naming both arguments.
    """
    for first, second, why in _conflicts(parts):
        raise ArgumentError(f"{first} and {second} exclude each other: {why}")


def _conflicts(parts: Any) -> list[tuple[str, str, str]]:
    sampler, perturbation, guard = (repr(getattr(parts, name)) for name in ("sampler", "perturbation", "guard"))
    second_order = parts.order == 2
    single = parts.level == "single"
    found = [
        (
            second_order and not parts.sampler.second_order,
            "order = 2",
            f"sampler = {sampler}",
            "its paper defines no gradient through a virtual step",
        ),
        (
            second_order and parts.partial_channels is not None,
            "order = 2",
            f"partial_channels = {parts.partial_channels!r}",
            "PC-DARTS is of first order",
        ),
        (
            second_order and parts.edge_weights,
            "order = 2",
            "edge_weights = True",
            "PC-DARTS is of first order",
        ),
        (
            second_order and parts.perturbation is not None,
            "order = 2",
            f"perturbation = {perturbation}",
            "it disturbs the weight step, and SDARTS is of first order",
        ),
        (
            second_order and parts.guard is not None and parts.guard.weighs,
            "order = 2",
            f"guard = {guard}",
            "it compares the gradients of the first order",
        ),
        (
            parts.sampler.hard and parts.perturbation is not None,
            f"sampler = {sampler}",
            f"perturbation = {perturbation}",
            "hard samples have no weights between 0 and 1 that could be disturbed",
        ),
        (
            parts.sampler.hard and parts.removal is not None,
            f"sampler = {sampler}",
            f"select = {parts.select!r}",
            "of hard samples, no single option can be taken out",
        ),
        (
            parts.stages is not None and parts.removal is not None,
            f"stages = {parts.stages!r}",
            f"select = {parts.select!r}",
            "both decide which options go",
        ),
        (
            parts.stages is not None and parts.stages.keeps_weights and parts.partial_channels is None,
            f"stages = {parts.stages!r}",
            "partial_channels = 1",
            "the candidates see all channels already, and cannot see more",
        ),
        (
            isinstance(parts.stages, Widening)
            and parts.partial_channels is not None
            and parts.stages.partial_channels[0] > parts.partial_channels.parts,
            f"stages = {parts.stages!r}",
            f"partial_channels = {parts.partial_channels!r}",
            "the second stage would see less of the channels than the first one",
        ),
        (
            single and parts.perturbation is not None,
            "level = 'single'",
            f"perturbation = {perturbation}",
            "the step of the logits must see undisturbed weights",
        ),
        (
            single and parts.guard is not None and (parts.guard.weighs or parts.guard.due(0)),
            "level = 'single'",
            f"guard = {guard}",
            "it needs an architecture half of the data",
        ),
        (
            parts.sampler.hard and parts.guard is not None and parts.guard.weighs,
            f"sampler = {sampler}",
            f"guard = {guard}",
            "options that are not drawn have no gradients to compare",
        ),
        (
            single and parts.sampler.two_halves,
            "level = 'single'",
            f"sampler = {sampler}",
            "it draws differently for the steps of weights and of logits",
        ),
        (
            parts.sampler.memoryless and (parts.betas[0] != 0 or parts.weight_decay != 0),
            f"sampler = {sampler}",
            f"betas = {list(parts.betas)}, weight_decay = {parts.weight_decay}",
            "options that were not drawn must stay, which Adam grants with betas[0] = 0 and weight_decay = 0",
        ),
        (
            parts.auxiliary_skip is not None and parts.sampler.hard,
            f"sampler = {sampler}",
            f"auxiliary_skip = {parts.auxiliary_skip!r}",
            "of hard samples, no option hides behind another that a skip could help",
        ),
    ]
    return [(first, second, why) for clash, first, second, why in found if clash]

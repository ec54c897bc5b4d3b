"""Ordered categorical decisions, and all that follows from them: sampling, variation, encodings, texts."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError


class Decisions(ABC):
    """A finite set of architectures, described by an ordered list of categorical decisions.

    The options of a decision may depend on those already made; a decision without options is inactive and does not
    appear in the choices. Everything a strategy needs (sample, mutate, cross over, encode, count) follows from
    :attr:`decisions` and :meth:`options`; a space overrides a method only to compute the same thing faster.

    Attributes:
        name: Stored in architecture files; unique, and stable once published.
    """

    name: ClassVar[str]

    # ---- what a space defines -----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def decisions(self) -> tuple[str, ...]:
        """Names of all decisions, in the order in which they are made."""

    @abstractmethod
    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The options of a decision, given the choices for the decisions before it; empty if it is inactive."""

    # ---- what follows from it -----------------------------------------------------------------------------------

    def validate(self, choices: Choices) -> None:
        """Checks that the choices are an architecture of this space.

        Raises:
            ArchitectureError: Naming the decision, its value and what was allowed.
        """
        unknown = [name for name in choices if name not in set(self.decisions)]
        if unknown:
            raise ArchitectureError(f"{self.name}: unknown decision {unknown[0]!r}; known are {list(self.decisions)}")
        for name in self.decisions:
            allowed = list(self.options(name, choices))
            if not allowed and name in choices:
                raise ArchitectureError(f"{self.name}: decision {name!r} is inactive here, got {choices[name]!r}")
            if not allowed:
                continue
            if name not in choices:
                raise ArchitectureError(f"{self.name}: decision {name!r} is missing; allowed are {allowed}")
            if choices[name] not in allowed or isinstance(choices[name], bool):
                raise ArchitectureError(f"{self.name}: {name} = {choices[name]!r} is not allowed; choose of {allowed}")

    def sample(self, rng: random.Random) -> dict[str, Option]:
        """Draws each decision uniformly, in order."""
        return self.complete({}, rng)

    def mutate(self, choices: Choices, rng: random.Random) -> dict[str, Option]:
        """Changes one decision, uniformly among those that can change, to another option.

        Decisions whose options vanished by the change are drawn anew; all others keep their value.
        """
        changeable = [name for name in choices if len(self.options(name, choices)) > 1]
        if not changeable:
            return dict(choices)
        name = rng.choice(changeable)
        option = rng.choice([other for other in self.options(name, choices) if other != choices[name]])
        return self.complete({**choices, name: option}, rng)

    def crossover(self, first: Choices, second: Choices, rng: random.Random) -> dict[str, Option]:
        """Takes every decision from one of two parents with equal probability (uniform crossover)."""
        mixed = {}
        for name in self.decisions:
            holders = [parent for parent in (first, second) if name in parent]
            if holders:
                mixed[name] = rng.choice(holders)[name]
        return self.complete(mixed, rng)

    def neighbours(self, choices: Choices) -> list[dict[str, Option]]:
        """All architectures that differ in one decision. Decisions that vanish or appear take their first option."""
        result = []
        for name in choices:
            for option in self.options(name, choices):
                if option != choices[name]:
                    result.append(self.complete({**choices, name: option}, None))
        return result

    def encode(self, choices: Choices) -> Tensor:
        """One-hot encoding: for each decision one bit per option it can ever have, all zero where it is inactive."""
        bits = [
            torch.tensor([float(name in choices and choices[name] == option) for option in self.all_options(name)])
            for name in self.decisions
        ]
        return torch.cat(bits)

    def path_encode(self, choices: Choices, *, bits: int | None = None) -> Tensor:
        """Path encoding: one bit per path of operations from an input to an output. Without paths, the one-hot encoding.

        Args:
            choices: One architecture.
            bits: Keep so many of the shortest paths, of a space that has paths; None: all.
        """
        return self.encode(choices)

    def all_options(self, name: str) -> Sequence[Option]:
        """Every option that a decision can have under some earlier choices. Override where they depend on them."""
        return self.options(name, {})

    def to_text(self, choices: Choices) -> str:
        """One line of text for an architecture, ``decision=option;...``; a space with a notation of its own has that.

        Raises:
            ArchitectureError: If the choices do not belong to the space.
        """
        self.validate(choices)
        return ";".join(f"{name}={choices[name]}" for name in self.decisions if name in choices)

    def from_text(self, text: str) -> dict[str, Option]:
        """Reads :meth:`to_text`'s notation.

        Raises:
            ArchitectureError: If the text is not an architecture of this space.
        """
        taken = dict(part.strip().partition("=")[::2] for part in text.strip().split(";"))
        choices: dict[str, Option] = {}
        for name in self.decisions:
            options = {str(option): option for option in self.options(name, choices)}
            if name in taken and options:
                choices[name] = options.get(taken[name], taken[name])
        self.validate({**taken, **choices})
        return choices

    def canonical(self, choices: Choices) -> str:
        """A text that architectures of the same function share. Here every architecture has its own: override it."""
        return ";".join(f"{name}={choices[name]}" for name in self.decisions if name in choices)

    def state(self, choices: Choices) -> Hashable:
        """What a strategy that learns step by step (Q-learning) knows when the first decisions have been taken.

        Here that is how many there are and the last option. A space whose options depend on more says more.

        Args:
            choices: Of the first decisions, in order.
        """
        return len(choices), list(choices.values())[-1] if choices else None

    def size(self) -> int:
        """Number of architectures. The product of the numbers of options: override where these depend on choices."""
        result = 1
        for name in self.decisions:
            result *= len(self.options(name, {}))
        return result

    def complete(self, wanted: Choices, rng: random.Random | None) -> dict[str, Option]:
        """Keeps what is allowed of some choices, draws the rest (without a generator: the first option)."""
        choices: dict[str, Option] = {}
        for name in self.decisions:
            allowed = self.options(name, choices)
            if not allowed:
                continue
            if name in wanted and wanted[name] in allowed:
                choices[name] = wanted[name]
            else:
                choices[name] = allowed[0] if rng is None else rng.choice(list(allowed))
        return choices

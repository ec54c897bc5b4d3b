"""A recurrent policy for every space."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.policies.base import Encoded, Memory, Policy


class LstmPolicy(Policy):
    """A recurrent controller: its input is the embedding of the last choice, its state gives the logits of the next.

    Source: Zoph, Le 2017, arXiv 1611.01578, section 3.1; size, initial weights and learned start as Pham et al. 2018,
    ENAS, arXiv 1802.03268: one layer of 100 units without biases, all weights from U(-0.1, 0.1).

    Args:
        space: The search space.
        generator: Draws the initial weights.
        hidden: Units of the LSTM, and width of the embeddings.
        temperature: See :class:`Policy`; ENAS 5.
        tanh_constant: See :class:`Policy`; ENAS 2.5.
    """

    def __init__(
        self,
        space: SearchSpace,
        generator: torch.Generator,
        *,
        hidden: int = 100,
        temperature: float | None = 5.0,
        tanh_constant: float | None = 2.5,
    ) -> None:
        super().__init__(space, temperature=temperature, tanh_constant=tanh_constant)
        self.lstm = nn.LSTM(hidden, hidden, bias=False, device="meta").to_empty(device="cpu")  # draws nothing
        self.start = nn.Parameter(torch.empty(hidden))
        self.embeddings = nn.ParameterList(torch.empty(len(options), hidden) for options in self.vocabulary)
        self.heads = nn.ParameterList(torch.empty(len(options), hidden) for options in self.vocabulary)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.1, 0.1, generator=generator)

    def begin(self, size: int) -> Memory:
        """State and cell after the start token."""
        zeros = self.start.new_zeros(size, len(self.start))
        return self._step(self.start.expand(size, -1), zeros, zeros)

    def logits(self, position: int, memory: Memory) -> Tensor:
        """Of the state, by the decision's own layer."""
        return memory[0] @ self.heads[position].T

    def remember(self, position: int, memory: Memory, taken: Tensor) -> Memory:
        """State and cell after the embedding of the choice."""
        return self._step(self.embeddings[position][taken], *memory)

    def distributions(self, batch: Encoded) -> Iterator[tuple[int, Tensor]]:
        """As :meth:`Policy.distributions`; where all have all decisions, the LSTM reads the sequence in one go."""
        if any(active is not None for active in batch.active):
            yield from super().distributions(batch)
            return
        choices = zip(batch.taken[:-1], self.embeddings, strict=False)
        inputs = [
            self.start.expand(len(batch.taken[0]), -1),
            *(nn.functional.embedding(taken, table) for taken, table in choices),
        ]
        states, _ = self.lstm(torch.stack(inputs))
        for position, state in enumerate(states):
            yield position, self.log_probabilities(position, (state,), batch.allowed[position])

    def _step(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> Memory:
        by_input, by_state = self.lstm.parameters()
        after: Memory = torch.lstm_cell(inputs, (hidden, cell), by_input, by_state)
        return after

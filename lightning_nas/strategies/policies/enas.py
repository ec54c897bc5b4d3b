"""The controllers of ENAS: earlier layers and nodes are chosen by attention to what the controller was when it made them.

Source: Pham et al. 2018, "Efficient Neural Architecture Search via Parameter Sharing", arXiv 1802.03268, sections 2.2 and 2.4;
the equations are those of the released code. In both one LSTM without biases writes the architecture. With ``h`` its
state, an operation has the logits ``W h``; an earlier place, whose anchor ``a`` is the state after its own decisions, has
``v . tanh(W1 a + W2 h)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_nas.spaces import EnasMacro, EnasMicro
from lightning_nas.strategies.policies.base import Memory, Policy

OPERATION_SHARE = 0.4
"""The bound of the micro controller's logits of operations, as a share of that of the other logits."""


class AnchoredPolicy(Policy):
    """What both controllers consist of; all weights from U(-0.1, 0.1).

    Args:
        space: The search space.
        generator: Draws the initial weights.
        hidden: Units of the LSTM, and width of the embeddings; 64 in the released code.
        temperature: See :class:`Policy`.
        tanh_constant: See :class:`Policy`.
    """

    def __init__(
        self,
        space: EnasMacro | EnasMicro,
        generator: torch.Generator,
        *,
        hidden: int = 100,
        temperature: float | None = 5.0,
        tanh_constant: float | None = 2.5,
    ) -> None:
        super().__init__(space, temperature=temperature, tanh_constant=tanh_constant)
        self.cell = nn.utils.skip_init(nn.LSTMCell, hidden, hidden, bias=False)  # without draws of the global generator
        self.start = nn.Parameter(torch.empty(hidden))
        self.embeddings = nn.Parameter(torch.empty(len(space.ops), hidden))
        self.head = nn.Parameter(torch.empty(len(space.ops), hidden))
        self.key = nn.Parameter(torch.empty(hidden, hidden))
        self.query = nn.Parameter(torch.empty(hidden, hidden))
        self.score = nn.Parameter(torch.empty(hidden))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.1, 0.1, generator=generator)

    def step(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """State and cell after one more input, ``(B, H)`` each."""
        after: tuple[Tensor, Tensor] = self.cell(inputs.expand_as(hidden), (hidden, cell))
        return after

    def attention(self, hidden: Tensor, keys: Tensor) -> Tensor:
        """``(B, H)``, ``(B, anchors, H) -> (B, anchors)``."""
        return (keys + (hidden @ self.query)[:, None]).tanh() @ self.score

    def zeros(self, *shape: int) -> Tensor:
        """A tensor whose last dimension is H."""
        return torch.zeros(*shape, len(self.start))


class EnasMacroPolicy(AnchoredPolicy):
    """Layer by layer the operation, then all skips at once.

    The next input is the sum of the chosen anchors, divided by one more than there are. A skip has the logits ``(-q, q)`` for
    no and yes, ``q`` its attention. Memory: state, cell, anchors, their keys, the sum of the anchors chosen so far in this
    layer, and their number.
    """

    space: EnasMacro

    def begin(self, size: int) -> Memory:
        """The start token has been read."""
        hidden, cell = self.step(self.start, self.zeros(size), self.zeros(size))
        none = self.zeros(size, 0)
        return hidden, cell, none, none, self.zeros(size), torch.zeros(size, 1)

    def logits(self, position: int, memory: Memory) -> Tensor:
        """Of an operation, or of no and yes."""
        hidden, _, _, keys, _, _ = memory
        state = self._skipped(position)
        if state is None:
            return hidden @ self.head.T
        score = self.attention(hidden, keys[:, state : state + 1])
        return torch.cat([-score, score], dim=1)

    def remember(self, position: int, memory: Memory, taken: Tensor) -> Memory:
        """Reads an operation at once, skips when the layer has all of them."""
        hidden, cell, anchors, keys, total, count = memory
        state = self._skipped(position)
        if state is None:
            hidden, cell = self.step(self.embeddings[taken], hidden, cell)
        else:
            yes = taken[:, None].to(total.dtype)
            total, count = total + yes * anchors[:, state], count + yes
        layer = anchors.shape[1]
        if layer > 0 and state != layer - 1:
            return hidden, cell, anchors, keys, total, count
        following = total / (1 + count) if layer > 0 else self.start
        anchors = torch.cat([anchors, hidden[:, None]], dim=1)
        keys = torch.cat([keys, (hidden @ self.key)[:, None]], dim=1)
        hidden, cell = self.step(following, hidden, cell)
        return hidden, cell, anchors, keys, torch.zeros_like(total), torch.zeros_like(count)

    def _skipped(self, position: int) -> int | None:
        """The earlier state that a decision is about; None of an operation."""
        *_, kind, last = self.space.decisions[position].split(".")
        return int(last) if kind == "skip" else None


class EnasMicroPolicy(AnchoredPolicy):
    """Block by block two inputs by attention, then two operations; the reduction cell follows on the normal one.

    The first two anchors of a cell, its inputs, are zero, their keys are not. Operations have biases, learnt ones that begin
    with 10 for the first two and 0 for the others, and in the normal cell fixed ones of 0.25 and -0.25 beyond the bound.
    Memory: state, cell, anchors, their keys.
    """

    space: EnasMicro

    def __init__(
        self,
        space: EnasMicro,
        generator: torch.Generator,
        *,
        hidden: int = 100,
        temperature: float | None = 5.0,
        tanh_constant: float | None = 2.5,
    ) -> None:
        super().__init__(space, generator, hidden=hidden, temperature=temperature, tanh_constant=tanh_constant)
        convolution = torch.arange(len(space.ops)) < 2
        self.bias = nn.Parameter(10.0 * convolution)
        self.register_buffer("preference", 0.5 * convolution - 0.25, persistent=False)
        self.preference: Tensor

    def begin(self, size: int) -> Memory:
        """The inputs of the normal cell have been read."""
        return self._begin_cell(self.zeros(size), self.zeros(size))

    def logits(self, position: int, memory: Memory) -> Tensor:
        """Of the earlier states, or of the operations."""
        hidden, _, _, keys = memory
        return self.attention(hidden, keys) if self._what(position) == "input" else hidden @ self.head.T + self.bias

    def squash(self, position: int, logits: Tensor) -> Tensor:
        """As for every policy; operations are bound closer, and preferred in the normal cell."""
        squashed = super().squash(position, logits)
        if self._what(position) == "input":
            return squashed
        if self.tanh_constant is not None:
            squashed = OPERATION_SHARE * squashed
        return squashed + self.preference if self.space.decisions[position].startswith("normal") else squashed

    def remember(self, position: int, memory: Memory, taken: Tensor) -> Memory:
        """Reads the chosen anchor or operation; after a block its state becomes an anchor, and the start token is read."""
        hidden, cell, anchors, keys = memory
        chosen = anchors[torch.arange(len(taken)), taken] if self._what(position) == "input" else self.embeddings[taken]
        hidden, cell = self.step(chosen, hidden, cell)
        if not self.space.decisions[position].endswith("op1"):
            return hidden, cell, anchors, keys
        if anchors.shape[1] == self.space.blocks + 1:
            return self._begin_cell(hidden, cell)
        anchors = torch.cat([anchors, hidden[:, None]], dim=1)
        keys = torch.cat([keys, (hidden @ self.key)[:, None]], dim=1)
        return *self.step(self.start, hidden, cell), anchors, keys

    def _begin_cell(self, hidden: Tensor, cell: Tensor) -> Memory:
        keys = []
        for _ in range(2):
            hidden, cell = self.step(self.start, hidden, cell)
            keys.append(hidden @ self.key)
        return *self.step(self.start, hidden, cell), self.zeros(len(hidden), 2), torch.stack(keys, dim=1)

    def _what(self, position: int) -> str:
        """``"input"`` or ``"op"``."""
        return self.space.decisions[position].rpartition(".")[2][:-1]

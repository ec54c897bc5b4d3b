"""From the end of a stage to the start of the next one, which goes on with a wider supernet of fewer options."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ArgumentError, JobError
from lightning_nas.ops.widening import Copy, widened
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import read_text
from lightning_nas.search.gradient.lifecycle import identity_of
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.lightning.persistence import last_checkpoint, read_checkpoint
from lightning_nas.search.wrapping.state_names import HOST
from lightning_nas.spaces import Supernet
from lightning_nas.strategies import GradientStrategy

_LOGS = ("history", "metrics")


def hand_over(
    module: SearchModule, strategy: GradientStrategy, *, done: RunFolder, following: RunFolder, seed: int
) -> None:
    """Puts what a stage has left into the folder of the next one, which goes on from there as if it was interrupted.

    Weights, running statistics and what their optimizer knows of them are widened by the same copies of channels; what
    belonged to options that are out is left behind. Epochs, schedules, logits, their optimizer and the parts of the strategy
    stay as they are.

    Args:
        module: Of the stage that has ended, with its optimizer.
        strategy: Of the next stage, which it has entered.
        done: Folder of the stage that has ended.
        following: Folder of the next one.
        seed: Of the search; the copies follow from it and the number of the stage.

    Raises:
        JobError: If the stage has left no checkpoint, or its optimizer knows something that cannot be widened.
    """
    found = last_checkpoint(done.path)
    if found is None:
        raise JobError(f"{done}: the stage has ended without a checkpoint, which the next one begins with")
    assert strategy.stages is not None
    supernet = module.supernet.space.supernet()
    strategy.adapt(supernet)
    entropy = np.random.SeedSequence((seed, strategy.stages.stage)).generate_state(1)
    copies = widened(module.supernet, supernet, torch.Generator().manual_seed(int(entropy[0])))
    checkpoint = carried_over(read_checkpoint(Path(found)), module, strategy, copies)
    for log in _LOGS:
        if getattr(done, log).is_file():
            write_atomic(getattr(following, log), read_text(getattr(done, log)))
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomic(following.last_checkpoint, buffer.getbuffer())


def carried_over(
    checkpoint: Mapping[str, Any], module: SearchModule, strategy: GradientStrategy, copies: Mapping[str, Copy]
) -> dict[str, Any]:
    """The checkpoint that the next stage begins with.

    Args:
        checkpoint: That of the stage that has ended.
        module: Of that stage, with its optimizer.
        strategy: Of the next stage.
        copies: Name of a tensor of the next supernet -> what it is made of.

    Raises:
        JobError: If the optimizer knows something that cannot be widened.
    """
    moves = _Moves(module, copies)
    ours = dict(checkpoint["lightning_nas"])
    parts = {n: state for n, state in ours["strategy"]["parts"].items() if n in strategy.state_dict()["parts"]}
    weights = moves.made({name: p.detach() for name, p in module.model.named_parameters()})
    shapes = [(f"{HOST}{name}", list(weight.shape)) for name, weight in weights.items()]
    space = module.supernet.space
    ours |= {
        "identity": identity_of(space, strategy.identity, shapes),
        "unguarded": identity_of(space, strategy.unguarded_identity, shapes),
        "strategy": {**ours["strategy"], "parts": parts},
    }
    (optimizer,) = checkpoint["optimizer_states"]
    return {
        **checkpoint,
        "state_dict": moves.made(checkpoint["state_dict"]),
        "optimizer_states": [_optimizer_state(optimizer, module, moves)],
        "callbacks": {n: state for n, state in checkpoint["callbacks"].items() if "dirpath" not in state},
        "lightning_nas": ours,
    }


class _Moves:
    """Where tensors of a hosted module go; all but those of the supernet stay what they are."""

    def __init__(self, module: SearchModule, copies: Mapping[str, Copy]) -> None:
        named = module.model.named_modules(remove_duplicate=False)
        self._places = [f"{name}." for name, part in named if part is module.supernet]
        self._moved = {copy.name: (name, copy) for name, copy in copies.items()}

    def of(self, name: str) -> tuple[str, Copy] | None:
        """The name that a tensor has afterwards and how it is made; None if it is gone."""
        for place in self._places:
            if name.startswith(place):
                moved = self._moved.get(name.removeprefix(place))
                return None if moved is None else (place + moved[0], moved[1])
        return name, Copy(name)

    def made(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors by their names afterwards, in the same order."""
        moved = [(self.of(name), tensor) for name, tensor in tensors.items()]
        return {target[0]: target[1].of(tensor) for target, tensor in moved if target is not None}


def _optimizer_state(saved: Mapping[str, Any], module: SearchModule, moves: _Moves) -> dict[str, Any]:
    """That of the weights' optimizer: what it knows of a weight is widened as the weight is."""
    names = {id(p): name for name, p in module.model.named_parameters()}
    groups, states = [], {}
    count = 0
    for group, live in zip(saved["param_groups"], module.trainer.optimizers[0].param_groups, strict=True):
        kept = []
        for number, parameter in zip(group["params"], live["params"], strict=True):
            name = names.get(id(parameter))
            moved = (None, Copy("")) if name is None else moves.of(name)
            if moved is None:
                continue
            kept.append(count)
            if number in saved["state"]:
                known = saved["state"][number].items()
                states[count] = {key: _wider(value, parameter, moved[1], f"{name}: {key}") for key, value in known}
            count += 1
        groups.append({**group, "params": kept})
    return {**saved, "state": states, "param_groups": groups}


def _wider(value: Any, parameter: Tensor, copy: Copy, said: str) -> Any:
    if not isinstance(value, Tensor) or not value.dim() or all(index is None for index in copy.indices):
        return value
    if value.shape != parameter.shape:
        raise JobError(
            f"the optimizer of the weights keeps {said} of the shape {tuple(value.shape)} for a weight of the shape "
            f"{tuple(parameter.shape)}, which cannot be widened: search with another one, e.g. SGD or AdamW"
        )
    return copy.of(value)


def require_widening(strategies: list[GradientStrategy], space: Any) -> None:
    """Checks before any work that every stage can go on with the one before.

    Args:
        strategies: That of each stage, which it has entered.
        space: Of the search.

    Raises:
        ArgumentError: If it cannot, naming the argument.
    """
    before: Supernet | None = None
    for number, strategy in enumerate(strategies):
        supernet: Supernet = space.supernet()
        try:
            strategy.adapt(supernet)
            if before is not None:
                widened(before, supernet, torch.Generator())
        except ArgumentError as error:
            if before is None:
                raise
            raise ArgumentError(
                f"stages = {strategy.stages!r}: stage {number + 1} of the space {space.name!r}: {error}"
            ) from None
        before = supernet

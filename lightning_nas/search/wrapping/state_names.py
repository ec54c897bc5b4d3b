"""The state of a hosted module goes by its own names, as if nothing were around it."""

from __future__ import annotations

from typing import Any

from torch import nn

HOST = "model."
"""Where a hosted module lies in the outer one."""


def keep_names(outer: nn.Module) -> None:
    """Lets ``state_dict`` of a module give what its part ``model`` holds under the names that it has there.

    So what is saved with the outer module can be loaded by the hosted one alone, e.g. by ``load_from_checkpoint`` of the
    user's class. The outer module reads these names, and those with ``model.`` before them. What else it holds keeps its names.

    Args:
        outer: The module; ``outer.model`` is the hosted one.
    """
    outer.register_state_dict_post_hook(_strip)
    outer.register_load_state_dict_pre_hook(_add)


def _strip(outer: nn.Module, state: dict[str, Any], prefix: str, local_metadata: Any) -> None:
    """In place, and in the order that it was in: names without ``model.``."""
    for names in (state, getattr(state, "_metadata", {})):
        for name in [name for name in names if name.startswith(prefix)]:
            names[prefix + name.removeprefix(prefix).removeprefix(HOST)] = names.pop(name)


def _add(outer: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """In place: names with ``model.``, unless they have it already."""
    known = set(outer.model.state_dict())
    kept = {name for name, _ in (*outer.named_children(), *outer.named_parameters(recurse=False))}
    kept |= {name for name, _ in outer.named_buffers(recurse=False)}
    given = [name.removeprefix(prefix) for name in state if name.startswith(prefix)]
    given = [name for name in given if name.partition(".")[0] not in kept - {"model"}]
    hosted = sum(name.startswith(HOST) and name.removeprefix(HOST) in known for name in given)
    if hosted <= sum(name in known for name in given):
        for name in given:
            state[prefix + HOST + name] = state.pop(prefix + name)

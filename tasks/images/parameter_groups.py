"""Parameter groups of an optimizer: a lower rate for the backbone and its early stages, no decay on norms and biases."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Backbone


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How rate and weight decay differ between parameters. By default they do not.

    Args:
        backbone_lr: Factor of the learning rate in the backbone; a neck and a head have the full one.
        layer_decay: Factor of the learning rate from a stage of the backbone to the one before it, and from the head to the
            last stage (Clark et al. 2020, arXiv 2003.10555; 0.8 in RF-DETR).
        decay_norms: Whether weight decay holds for parameters of one dimension, too: those of norms, and biases.

    Raises:
        ArgumentError: If a value is out of range.
    """

    backbone_lr: float = 1.0
    layer_decay: float = 1.0
    decay_norms: bool = True

    def __post_init__(self) -> None:
        for name, highest, expected in (
            ("backbone_lr", math.inf, "a finite number above 0"),
            ("layer_decay", 1.0, "a number above 0 and at most 1"),
        ):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not 0 < value <= highest:
                raise ArgumentError(f"{name} must be {expected}, got {value!r}")
        if not isinstance(self.decay_norms, bool):
            raise ArgumentError(f"decay_norms must be true or false, got {self.decay_norms!r}")

    def check(self, network: nn.Module) -> None:
        """Asks before a training whether it can be had.

        Raises:
            ArgumentError: As :func:`parameter_groups`.
        """
        if self.layer_decay != 1:
            stages(backbone_within(network))


def parameter_groups(
    parameters: Iterable[nn.Parameter], network: nn.Module, grouping: Grouping, *, lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups for an optimizer, one for every pair of rate and decay, in the order of their first parameters.

    Args:
        parameters: What is trained, in the order of the module.
        network: Holds the backbone; the part of a product that is one, else all of it.
        grouping: How they differ.
        lr: Learning rate of the head.
        weight_decay: Of the parameters that have one.

    Raises:
        ArgumentError: If ``layer_decay`` needs stages and the backbone has none, see :func:`stages`.

    Example:
        >>> from lightning_nas.networks import ResidualBackbone
        >>> body = ResidualBackbone(4, (1, 2))
        >>> model = nn.ModuleList([body, nn.Conv2d(4, 2, 1)])
        >>> groups = parameter_groups(model.parameters(), body, Grouping(layer_decay=0.5), lr=0.1, weight_decay=0.0)
        >>> [group["lr"] for group in groups]
        [0.025, 0.05, 0.1]
    """
    backbone = backbone_within(network)
    rates = {id(p): lr * grouping.backbone_lr for p in backbone.parameters()}
    if grouping.layer_decay != 1:
        for depth, stage in enumerate(reversed(stages(backbone)), start=1):
            for p in stage:
                rates[id(p)] = lr * grouping.backbone_lr * grouping.layer_decay**depth
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in parameters:
        decay = weight_decay if grouping.decay_norms or p.ndim > 1 else 0.0
        groups.setdefault((rates.get(id(p), lr), decay), []).append(p)
    return [{"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()]


def backbone_within(network: nn.Module) -> nn.Module:
    """The part that is a backbone, of networks that have a neck or a head as well; else the network itself."""
    for part in network.modules():
        if isinstance(part, Backbone) and part.role == "backbone" and part in part.named_parts().values():
            return part
    return network


def stages(backbone: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of a backbone by stages, first to last.

    A stage ends where a module does that ``feature_info`` names; modules count in the order in which they were registered. The
    stem belongs to the first stage, what follows the last map to the last.

    Raises:
        ArgumentError: If the modules that it names have no parameters, or it names none.
    """
    names = [name for name, _ in backbone.named_parameters()]
    maps: list[str] = [level["module"] for level in getattr(backbone, "feature_info", ())]
    ends = set()
    for module in maps:
        inside = [place for place, name in enumerate(names) if module and name.startswith(f"{module}.")]
        ends.update(inside[-1:])
    if not ends:
        raise ArgumentError(
            f"layer_decay must be 1 for {type(backbone).__name__}: its maps come from no stages in a row; "
            "backbone_lr lowers the rate of all of it"
        )
    found: list[list[nn.Parameter]] = [[]]
    for place, p in enumerate(backbone.parameters()):
        found[-1].append(p)
        if place in ends and place != max(ends):
            found.append([])
    return found

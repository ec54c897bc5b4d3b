"""What a training-free score is: a number that a network has before it is trained, the larger the better.

To add one: a class that derives from :class:`ZeroCostScore`, in a file of this folder (or in your own package), with a
``name``. If it has arguments, make it a frozen dataclass.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.zero_cost.state import undisturbed

_SCORES: dict[str, type[ZeroCostScore]] = {}


@dataclass(frozen=True)
class Probe:
    """A network and what a score may ask of it.

    The callables run :attr:`model` in whatever mode and with whatever weights it has when they are called. Any task fits:

        ``Probe(task, batch[0], loss=lambda: task.training_step(batch, 0), outputs=lambda x: task(x))``

    Attributes:
        model: Its convolutions and linear layers are scored.
        images: ``(B, C, H, W)``.
        loss: The loss of the model on a batch of the task, a differentiable scalar.
        outputs: Images ``->`` what the model says of them, a tensor with one row per image, e.g. logits ``(B, N)``.
        features: Images ``->`` the last feature map before pooling, ``(B, C, H, W)``; only ``zen`` asks for it.
        network: Images ``->`` anything, by all that runs at inference, where ``outputs`` leave a part of it out, as those of
            detectors do; only ``macs`` asks for it.
    """

    model: nn.Module
    images: Tensor
    loss: Callable[[], Tensor]
    outputs: Callable[[Tensor], Tensor]
    features: Callable[[Tensor], Tensor] | None = None
    network: Callable[[Tensor], Any] | None = None

    def __post_init__(self) -> None:
        if self.images.dim() != 4 or not self.images.numel():
            raise ArgumentError(f"images must be (B, C, H, W) and not empty, got shape {tuple(self.images.shape)}")


class ZeroCostScore(ABC):
    """A score of an untrained network.

    Calling it puts the model into :attr:`training` mode, seeds the random numbers and runs :meth:`compute`; afterwards the
    model and the random numbers are as they were (see :func:`~lightning_nas.strategies.zero_cost.state.undisturbed`), so
    that a score is a function of the probe alone.

    Attributes:
        name: Under which :func:`build_score` knows it.
        data_free: Whether neither the content of the images nor the loss plays a part.
        training: The mode of the model; in training mode BatchNorm normalises with the batch.
    """

    name: ClassVar[str]
    data_free: ClassVar[bool] = False
    training: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            known = _SCORES.get(cls.name)
            if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ArgumentError(f"score {cls.name!r} is already defined by {known.__module__}.{known.__name__}")
            _SCORES[cls.name] = cls

    def __call__(self, probe: Probe) -> float:
        """The score of a network; larger is better.

        Raises:
            ValueError: If the probe lacks what the score needs.
        """
        with undisturbed(probe.model):
            probe.model.train(self.training)
            return float(self.compute(probe))

    @abstractmethod
    def compute(self, probe: Probe) -> float | Tensor:
        """The score. Everything requires a gradient here, and the model's state may be changed at will."""


def score_names() -> list[str]:
    """Names of all known scores."""
    return sorted(_SCORES)


def build_score(name: str, **args: Any) -> ZeroCostScore:
    """The score of a name.

    Args:
        name: One of :func:`score_names`.
        args: Its arguments.

    Raises:
        ValueError: If there is no such score, or it has no such argument, or the value is out of range.

    Example:
        >>> build_score("zen", repeats=8)
        Zen(repeats=8, batch_size=None, gamma=0.01, seed=0)
    """
    if name not in _SCORES:
        raise ArgumentError(f"unknown score {name!r}; known are {score_names()}")
    known = list(inspect.signature(_SCORES[name]).parameters)
    unknown = [key for key in args if key not in known]
    if unknown:
        raise ArgumentError(f"score {name!r} has no argument {unknown[0]!r}; it has {known}")
    return _SCORES[name](**args)

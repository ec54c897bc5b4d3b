"""A task's whole network cut out of the one that holds all: backbone, neck and head."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.elastic import cut
from lightning_nas.spaces import find_supernets


def cut_network(trained: nn.Module, plain: nn.Module, choices: Choices) -> dict[str, Tensor]:
    """The ``state_dict`` of a module with one network, out of a module with the supernet of all.

    What is beside the supernet, as a head, is cut as well: the first entries of every tensor, as its elastic layers use them.

    Args:
        trained: Holds one supernet, e.g. a task.
        plain: The same with the found network in its place; its values are not read.
        choices: The network.

    Returns:
        Copies, with the names and shapes of ``plain``. BatchNorm's statistics are those of all networks: estimate them anew.

    Raises:
        ArchitectureError: If the choices are not an architecture of the supernet's space.
        ValueError: If there is not one supernet, or a tensor of ``plain`` is larger than that of ``trained``, or not there.

    Example:
        >>> from lightning_nas.spaces import ImageSize
        >>> space = ImageSize()
        >>> cut_network(nn.Sequential(space.supernet(), nn.ReLU()), nn.Sequential(space.network({"size": 50})), {"size": 50})
        {}
    """
    supernets = find_supernets(trained)
    if len(supernets) != 1:
        raise ArgumentError(f"trained must hold one supernet, {type(trained).__name__} holds {len(supernets)}")
    prefix = next(f"{name}." if name else "" for name, module in trained.named_modules() if module is supernets[0])
    like = plain.state_dict()
    beside = {name: tensor for name, tensor in like.items() if not name.startswith(prefix)}
    inside = {f"{prefix}{name}": tensor for name, tensor in supernets[0].cut(choices).items()}
    found = inside | cut(trained, beside)
    return {name: found[name] for name in like}

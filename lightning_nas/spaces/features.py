"""Feature levels: what a backbone returns, described so that heads need not guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from torch import Tensor, nn

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.places import Place


class FeatureLevel(dict[str, Any]):
    """One feature map: its channels, its stride relative to the image, and the module that makes it.

    A dictionary with timm's keys ``num_chs``, ``reduction`` and ``module``; in a :class:`FeatureInfo` also ``index``.

    Args:
        channels: Channels of the map.
        reduction: Image size divided by map size.
        module: Name of the submodule whose output is the map.

    Example:
        >>> FeatureLevel(64, 8, "layer2").reduction
        8
    """

    def __init__(self, channels: int, reduction: int, module: str = "") -> None:
        super().__init__(num_chs=channels, reduction=reduction, module=module)

    @property
    def channels(self) -> int:
        """Channels of the map."""
        return int(self["num_chs"])

    @property
    def reduction(self) -> int:
        """Image size divided by map size."""
        return int(self["reduction"])

    @property
    def module(self) -> str:
        """Name of the submodule whose output is the map."""
        return str(self["module"])

    def within(self, parent: str) -> FeatureLevel:
        """The same map, seen from a network that holds this one as ``parent``."""
        return FeatureLevel(self.channels, self.reduction, f"{parent}.{self.module}" if self.module else "")


class FeatureInfo(tuple[FeatureLevel, ...]):
    """The feature maps of a network, finest first, and which of them ``forward`` returns, in which order.

    It has the methods of timm's ``FeatureInfo``: without an index they speak of the maps that are returned, with an index
    of all that there are, as do ``len()``, iteration and ``info[i]``.

    Args:
        levels: All maps: :class:`FeatureLevel`, or mappings with timm's keys.
        out_indices: Those that are returned; all if None. A number: so many of the last. Negative ones count from the end.

    Attributes:
        out_indices: Indices of the maps that are returned, none of them negative.

    Raises:
        ValueError: If a level of ``out_indices`` does not exist, or none is chosen.

    Example:
        >>> info = FeatureInfo((FeatureLevel(16, 4), FeatureLevel(32, 8), FeatureLevel(64, 16)), out_indices=(1, 2))
        >>> info.channels(), info.reduction()
        ([32, 64], [8, 16])
        >>> info.channels(0), info[0]["reduction"], len(info)
        (16, 4, 3)
    """

    out_indices: tuple[int, ...]

    def __new__(
        cls, levels: Iterable[Mapping[str, Any]], out_indices: int | Sequence[int] | None = None
    ) -> FeatureInfo:
        """Numbers the levels and checks the indices."""
        numbered = []
        for index, entry in enumerate(levels):
            level = FeatureLevel(entry["num_chs"], entry["reduction"], entry["module"])
            numbered.append(level)
            level["index"] = index
        info = super().__new__(cls, numbered)
        info.out_indices = _checked(out_indices, len(numbered))
        return info

    @property
    def info(self) -> list[FeatureLevel]:
        """All maps, returned or not."""
        return list(self)

    @property
    def levels(self) -> tuple[FeatureLevel, ...]:
        """The maps that are returned, in their order."""
        return tuple(self[index] for index in self.out_indices)

    def get(self, key: str, idx: int | Sequence[int] | None = None) -> Any:
        """A value of the maps that are returned, of one map, or of several.

        Args:
            key: ``"num_chs"``, ``"reduction"``, ``"module"`` or ``"index"``.
            idx: Of all maps, whether returned or not; None for those that are returned.
        """
        found = self.get_dicts(None, idx)
        return found[key] if isinstance(found, dict) else [level[key] for level in found]

    def get_dicts(self, keys: Sequence[str] | None = None, idx: int | Sequence[int] | None = None) -> Any:
        """Copies of what is known of the maps that are returned, of one map, or of several, as plain dictionaries.

        Args:
            keys: What to take; everything if None.
            idx: Of all maps, whether returned or not; None for those that are returned.
        """
        if isinstance(idx, int):
            level = self[idx]
            return {key: level[key] for key in (level if keys is None else keys)}
        return [self.get_dicts(keys, index) for index in (self.out_indices if idx is None else idx)]

    @overload
    def channels(self, idx: int) -> int: ...
    @overload
    def channels(self, idx: Sequence[int] | None = None) -> list[int]: ...
    def channels(self, idx: int | Sequence[int] | None = None) -> int | list[int]:
        """Channels of every map that is returned; of one map or of several, if an index is given."""
        found: int | list[int] = self.get("num_chs", idx)
        return found

    @overload
    def reduction(self, idx: int) -> int: ...
    @overload
    def reduction(self, idx: Sequence[int] | None = None) -> list[int]: ...
    def reduction(self, idx: int | Sequence[int] | None = None) -> int | list[int]:
        """Stride of every map that is returned, image size divided by map size; with an index as :meth:`channels`."""
        found: int | list[int] = self.get("reduction", idx)
        return found

    @overload
    def module_name(self, idx: int) -> str: ...
    @overload
    def module_name(self, idx: Sequence[int] | None = None) -> list[str]: ...
    def module_name(self, idx: int | Sequence[int] | None = None) -> str | list[str]:
        """Name of the module whose output every map is; with an index as :meth:`channels`."""
        found: str | list[str] = self.get("module", idx)
        return found

    def from_other(self, out_indices: int | Sequence[int]) -> FeatureInfo:
        """The same maps, of which others are returned; the indices are those of all maps."""
        return FeatureInfo(self, out_indices)

    def positions(self, out_indices: int | Sequence[int]) -> tuple[int, ...]:
        """Indices into the list that ``forward`` returns, none of them negative.

        Raises:
            ValueError: If an index does not exist or there are none.
        """
        return _checked(out_indices, len(self.out_indices))

    def select(self, out_indices: int | Sequence[int]) -> FeatureInfo:
        """Some of the maps that are returned.

        Args:
            out_indices: Indices into the list that ``forward`` returns; negative ones count from the end. A number: so many
                of the last.

        Raises:
            ValueError: If an index does not exist or there are none.
        """
        return FeatureInfo(self, [self.out_indices[index] for index in self.positions(out_indices)])

    def within(self, parent: str) -> FeatureInfo:
        """The same maps, seen from a network that holds this one as ``parent``."""
        return FeatureInfo((level.within(parent) for level in self), self.out_indices)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FeatureInfo) and self.out_indices != other.out_indices:
            return False
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.out_indices, *(tuple(level.items()) for level in self)))


def _checked(out_indices: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Indices of chosen levels, none of them negative."""
    if out_indices is None:
        return tuple(range(count))
    if isinstance(out_indices, int) and not isinstance(out_indices, bool):
        if not 1 <= out_indices <= count:
            raise ArgumentError(f"out_indices = {out_indices}: expected 1 to {count} of the last feature levels")
        return tuple(range(count - out_indices, count))
    if isinstance(out_indices, str | bytes) or not isinstance(out_indices, Iterable):
        raise ArgumentError(f"out_indices must be a number or a sequence of numbers, got {out_indices!r}")
    chosen = list(out_indices)
    if not chosen:
        raise ArgumentError("out_indices must name at least one feature level, got none")
    for index in chosen:
        if isinstance(index, bool) or not isinstance(index, int):
            raise ArgumentError(f"out_indices must hold whole numbers, got {index!r}")
        if not -count <= index < count:
            raise ArgumentError(f"out_indices: level {index} does not exist; there are {count} (0 to {count - 1})")
    return tuple(index % count for index in chosen)


class Outlets(nn.ModuleList):
    """Parameter-free modules through which the maps leave a network that has no module of its own for each of them.

    So every map has a name at which hooks and feature extractors find it.

    Args:
        count: Number of maps.
        kind: Builds one of them: the identity, or an activation.
    """

    def __init__(self, count: int, kind: type[nn.Module] = nn.Identity) -> None:
        super().__init__(kind() for _ in range(count))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """One map per module -> the same maps, or their activations."""
        return [outlet(x) for outlet, x in zip(self, maps, strict=True)]


class Backbone(nn.Module):
    """The forward contract of fixed networks and supernets: an image in, a list of feature maps out.

    Attributes:
        feature_info: Describes the maps that :meth:`forward` returns, shallowest first.
        auxiliary_info: The map for an auxiliary classifier in training, or None where the space has no such tap.
        role: What its maps are: those of a ``"backbone"``, or those that a ``"neck"`` has made of them.
        slices: Whether smaller networks share its tensors by slicing, so that the order of its channels matters.
        built_from: The record that the network was built from, where it was built from one.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> NasBench201(channels=4, cells=1).supernet().feature_info.reduction()
        [1, 2, 4]
    """

    feature_info: FeatureInfo
    auxiliary_info: FeatureLevel | None = None
    role: str = "backbone"
    slices: bool = False
    built_from: Architecture | None = None

    def places(self) -> dict[str, Place]:
        """Where its modules stand, by name, if it is a chain of well-known blocks: so pretrained weights find their way."""
        return {}

    def named_parts(self) -> dict[str, Backbone]:
        """The networks that this one runs in a row, by name; itself, by its role, if it is not made of several."""
        return {self.role: self}

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` one ``(B, channels, H/reduction, W/reduction)`` per level."""
        return self.forward_auxiliary(x)[0]

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """As :meth:`forward`, and beside it the map of :attr:`auxiliary_info` (None where there is none)."""
        raise NotImplementedError

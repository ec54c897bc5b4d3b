"""How images are brought to the size and the values that a classifier was trained with, in evaluation and prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images import A, Pipeline, ToTensorV2, read_rgb
from lightning_nas.tasks.images.reading import read_grey

LONGEST = 8
"""Longer side of an image, in multiples of the shorter one, beyond which its ends are cut off before it is enlarged."""

Side = Annotated[int, Field(ge=1, le=100_000)]
Value = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Preparation:
    """The steps of validation images: shorter side resized, centre cropped, normalised.

    Args:
        channels: Of the network's input: 3, or 1 for shades of grey.
        resize: The shorter side is brought to this.
        crop: Height and width of what is cropped then.
        mean: Of each channel, for values from 0 to 1.
        std: Of each channel.
    """

    channels: Literal[1, 3]
    resize: Side
    crop: Side
    mean: tuple[Value, ...]
    std: tuple[Annotated[Value, Field(gt=0)], ...]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Preparation:
        """From what :meth:`record` gives.

        Raises:
            ArgumentError: If keys are missing, as in a run that recorded none, or a value is none that a data module records.
        """
        names = cls.__dataclass_fields__
        if set(record) != set(names):
            raise ArgumentError(
                f"preparation = {dict(record)}: the run's summary.json does not say how its images were brought to the "
                f"network; expected {sorted(names)}, as data modules of classification record them"
            )
        try:
            preparation = TypeAdapter(cls).validate_json(json.dumps(dict(record)), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ArgumentError(f"preparation: {place} = {str(first['input'])[:100]!r}: {first['msg']}") from None
        for name, values in (("mean", preparation.mean), ("std", preparation.std)):
            if len(values) != preparation.channels:
                raise ArgumentError(
                    f"preparation: {name} = {values}: expected {preparation.channels}, one of each channel"
                )
        return preparation

    def record(self) -> dict[str, Any]:
        """A value of JSON."""
        return asdict(self)

    def read(self, path: str | Path) -> np.ndarray:
        """An image file as ``(H, W, channels)`` of ``uint8``.

        Raises:
            ValueError: If it cannot be decoded.
        """
        return read_grey(path) if self.channels == 1 else read_rgb(path)

    def pipeline(self) -> Pipeline:
        """``(H, W, channels)`` of ``uint8`` -> tensor ``(channels, crop, crop)``."""
        steps = [*fit_steps(self.resize, self.crop), A.Normalize(self.mean, self.std), ToTensorV2()]
        return Pipeline(steps)


class MiddleOfBand(A.ImageOnlyTransform):
    """Cuts the ends off an image that is very much longer than wide, of which the crop that follows shows none.

    Enlarged with its ends, a band of one row would fill the memory.
    """

    def __init__(self) -> None:
        super().__init__(p=1.0)

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """The middle, or the image itself."""
        most = LONGEST * min(img.shape[:2])
        rows, columns = (
            slice((side - most) // 2, (side + most) // 2) if side > most else slice(None) for side in img.shape[:2]
        )
        return img[rows, columns]


def fit_steps(resized: int, size: int) -> list[Any]:
    """Shorter side to ``resized``, then the central square; leaves an image alone that is ``size`` already."""
    return [MiddleOfBand(), A.SmallestMaxSize(resized), A.CenterCrop(size, size)]

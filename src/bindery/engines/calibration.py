"""Calibration of a model for 8-bit products, stored next to its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save as _save

from bindery.disk import whole_file
from bindery.engines.weights import Tensor, safe_open
from bindery.errors import ModelBroken, ModelMissing

FILE = "int8-calibration.safetensors"

_REMEDY = "Run `bindery preload MODEL --precision int8` with the model's id."

_to_bytes: Any = _save  # compiled: it has no annotations


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The input of :func:`bindery.engines.quantisation.quantise`, per product.

    ``fingerprint`` identifies the graph that was measured. ``ranges`` are (2, d): the smallest and
    largest input of each channel. ``corrections`` are (n,): they are added to the outputs, so that
    the mean rounding error is 0. Raises ValueError for non-finite numbers, and if ``ranges`` and
    ``corrections`` differ in length.
    """

    fingerprint: str
    ranges: Sequence[Tensor]
    corrections: Sequence[Tensor]

    def __post_init__(self) -> None:
        if len(self.ranges) != len(self.corrections):
            raise ValueError(f"{len(self.ranges)} ranges, {len(self.corrections)} corrections")
        for index, tensors in enumerate(zip(self.ranges, self.corrections, strict=True)):
            if not all(np.isfinite(tensor).all() for tensor in tensors):
                raise ValueError(f"the measurements of product {index} are not finite")

    def write(self, folder: Path) -> None:
        """Write it to a model's folder, replacing an older one. Raises StorageError."""
        tensors = {f"range.{index}": tensor for index, tensor in enumerate(self.ranges)}
        tensors |= {f"correction.{index}": tensor for index, tensor in enumerate(self.corrections)}
        content = _to_bytes(tensors, metadata={"fingerprint": self.fingerprint})
        with whole_file(folder / FILE) as file:
            file.write(content)

    @classmethod
    def read(cls, folder: Path, fingerprint: str) -> "Calibration":
        """Read the calibration of a model.

        Raises ModelMissing if there is none, and ModelBroken if the file is incomplete or belongs
        to a graph with another ``fingerprint``.
        """
        path = folder / FILE
        if not path.is_file():
            raise ModelMissing(f"{folder} is not prepared for int8: no {FILE}.", remedy=_REMEDY)
        try:
            with safe_open(path, framework="numpy") as file:
                count = len(file.keys()) // 2
                found = cls(
                    file.metadata()["fingerprint"],
                    [file.get_tensor(f"range.{index}") for index in range(count)],
                    [file.get_tensor(f"correction.{index}") for index in range(count)],
                )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ModelBroken(
                f"{path} is truncated or altered: {error}.", remedy=_REMEDY
            ) from error
        if found.fingerprint != fingerprint:
            raise ModelBroken(f"{path} was measured with different weights.", remedy=_REMEDY)
        return found

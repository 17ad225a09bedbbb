"""What was measured of a model so that it can compute in 8 bits, kept beside its files."""

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
    """What :func:`bindery.engines.quantisation.quantise` needs, product by product.

    ``fingerprint`` is that of the graph it was measured in. ``ranges`` are (2, d): the least and
    the greatest value that enters each channel. ``corrections`` are (n,): what is added to each
    output, so that rounding errs by nothing on average. Raises ValueError for numbers that are not
    finite, and unless there are as many of the one as of the other.
    """

    fingerprint: str
    ranges: Sequence[Tensor]
    corrections: Sequence[Tensor]

    def __post_init__(self) -> None:
        if len(self.ranges) != len(self.corrections):
            raise ValueError(f"{len(self.ranges)} ranges, {len(self.corrections)} corrections")
        for index, tensors in enumerate(zip(self.ranges, self.corrections, strict=True)):
            if not all(np.isfinite(tensor).all() for tensor in tensors):
                raise ValueError(f"what was measured at product {index} is not finite")

    def write(self, folder: Path) -> None:
        """Keep it beside a model, in place of what was there. Raises StorageError."""
        tensors = {f"range.{index}": tensor for index, tensor in enumerate(self.ranges)}
        tensors |= {f"correction.{index}": tensor for index, tensor in enumerate(self.corrections)}
        content = _to_bytes(tensors, metadata={"fingerprint": self.fingerprint})
        with whole_file(folder / FILE) as file:
            file.write(content)

    @classmethod
    def read(cls, folder: Path, fingerprint: str) -> "Calibration":
        """What is kept beside a model.

        Raises ModelMissing where nothing is, ModelBroken where the file is not whole or was
        measured in another graph than that of ``fingerprint``.
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
            raise ModelBroken(
                f"{path} was measured with other weights than those beside it.", remedy=_REMEDY
            )
        return found

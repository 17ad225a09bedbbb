"""The tensors of a checkpoint, by name, as float32."""

import json
from collections.abc import Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors import safe_open as _safe_open

from bindery.errors import ModelBroken

Tensor: TypeAlias = npt.NDArray[np.float32]

safe_open: Any = _safe_open  # compiled: it has no annotations

_WHOLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"


class Weights(Mapping[str, Tensor]):
    """A checkpoint's tensors, read one at a time, so that memory holds no second copy of them.

    One file (``model.safetensors``) or several (``model.safetensors.index.json``). float16 and
    bfloat16 widen to float32, which is exact. Raises ModelBroken naming the file or the tensor.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = ""
        self._files = _files_by_tensor(folder)

    def __getitem__(self, name: str) -> Tensor:
        key = self._prefix + name
        if key not in self._files:
            raise ModelBroken(
                f"{self.folder} has no tensor {key!r}.",
                remedy="Is the checkpoint complete, and of the architecture its config.json names?",
            )
        return _read(self.folder / self._files[key], key)

    def __contains__(self, name: object) -> bool:
        return f"{self._prefix}{name}" in self._files

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        return (name[start:] for name in self._files if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def under(self, prefix: str) -> "Weights":
        """The same tensors, named from ``prefix`` on."""
        narrowed = copy(self)
        narrowed._prefix = self._prefix + prefix
        return narrowed


def _files_by_tensor(folder: Path) -> dict[str, str]:
    index = folder / _INDEX
    if index.is_file():
        try:
            return dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelBroken(f"{index} is not a list of tensors and their files.") from error

    path = folder / _WHOLE
    if not path.is_file():
        raise ModelBroken(f"{folder} has no {_WHOLE}.", remedy="Only safetensors are read.")
    try:
        with safe_open(path, framework="numpy") as file:
            return dict.fromkeys(file.keys(), path.name)
    except SafetensorError as error:
        raise ModelBroken(f"{path} is truncated or altered: {error}.") from error


def _read(path: Path, name: str) -> Tensor:
    try:
        with safe_open(path, framework="numpy") as file:
            if file.get_slice(name).get_dtype() != "BF16":
                return np.asarray(file.get_tensor(name), dtype=np.float32)
    except (SafetensorError, OSError) as error:
        raise ModelBroken(f"{path} is truncated or altered: {error}.") from error
    return _read_bfloat16(path, name)


def _read_bfloat16(path: Path, name: str) -> Tensor:
    """NumPy has no bfloat16: its bits are the upper half of a float32's."""
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(header_bytes))[name]
        start, end = header["data_offsets"]
        file.seek(8 + header_bytes + start)
        halves = np.frombuffer(file.read(end - start), dtype="<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(header["shape"])

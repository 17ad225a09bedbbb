"""The tensors of a checkpoint by name, as float32 or as views of the file."""

import mmap
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from safetensors import safe_open as _safe_open

from bindery.checkpoint import files_by_tensor, read_tensors
from bindery.errors import ModelBroken

Tensor: TypeAlias = npt.NDArray[np.float32]
Bits: TypeAlias = npt.NDArray[np.uint16]
"""bfloat16 numbers, which NumPy lacks: each is the upper half of a float32."""

safe_open: Any = _safe_open  # compiled, without annotations

_MAPPED: Mapping[str, Any] = {"F32": np.dtype("<f4"), "BF16": np.dtype("<u2")}


class Weights(Mapping[str, Tensor]):
    """A checkpoint's tensors, memory-mapped so that there is no second copy of them.

    One file (``model.safetensors``) or several (``model.safetensors.index.json``). float16 and
    bfloat16 widen to float32, which is exact. Raises ModelBroken naming the file or the tensor.

    ``narrow`` means that the graph computes in bfloat16: matrices stored in bfloat16 stay so.
    """

    def __init__(self, folder: Path, *, narrow: bool = False) -> None:
        self.folder = folder
        self.narrow = narrow
        self._prefix = ""
        self._files = files_by_tensor(folder)
        self._maps: dict[str, _File] = {}
        self.views: list[object] = []
        """The memory that the graph's constants point into; it must live as long as they do."""

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.as_written(name)
        if tensor.dtype == np.uint16:
            return (tensor.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(tensor, dtype=np.float32)

    def __contains__(self, name: object) -> bool:
        return f"{self._prefix}{name}" in self._files

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        return (name[start:] for name in self._files if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def as_written(self, name: str) -> Tensor | Bits:
        """A view of a tensor in the file if it is float32 or bfloat16; otherwise a float32 copy.

        A view is read only when it is used, must not be written to, and stays valid as long as one
        of these Weights exists.
        """
        key = self._prefix + name
        if key not in self._files:
            raise ModelBroken(
                f"{self.folder} has no tensor {key!r}.",
                remedy="Is the checkpoint complete, and of the architecture its config.json names?",
            )
        return self._file(key).tensor(key)

    def under(self, prefix: str) -> "Weights":
        """The tensors whose names start with ``prefix``, without it."""
        narrowed = copy(self)
        narrowed._prefix = self._prefix + prefix
        return narrowed

    def body(self, first: str) -> "Weights":
        """The tensors of a body whose first tensor is ``first``, whatever its prefix.

        A body saved together with a head has a prefix, such as ``bert.``, ``roberta.`` or
        ``model.``.
        """
        before = [name.removesuffix(first) for name in self if f".{name}".endswith(f".{first}")]
        return self.under(min(before, key=len, default=""))

    def parameters(self) -> int:
        """The number of values in the checkpoint."""
        keys = (self._prefix + name for name in self)
        return sum(prod(self._file(key).entry(key)["shape"]) for key in keys)

    def forget_pages(self) -> None:
        """Free the memory of pages read so far; they are read from disk again if needed."""
        for file in self._maps.values():
            file.forget_pages()

    def _file(self, key: str) -> "_File":
        name = self._files[key]
        if name not in self._maps:
            self._maps[name] = _File.open(self.folder / name)
        return self._maps[name]


@dataclass(frozen=True, slots=True)
class _File:
    """One safetensors file, mapped: an 8-byte length, a JSON header of that length, the numbers.

    The format: https://huggingface.co/docs/safetensors/index#format.
    """

    path: Path
    content: mmap.mmap
    header: Mapping[str, Any]
    start: int

    @classmethod
    def open(cls, path: Path) -> "_File":
        """Map a file. Raises ModelBroken unless it is whole."""
        try:
            tensors = read_tensors(path)
            with path.open("rb") as file:
                # OpenVINO needs writable memory but does not write: a written page
                # would become this process's own copy.
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except OSError as error:
            raise ModelBroken(f"{path} cannot be read: {error}.") from error
        start = 8 + int.from_bytes(content[:8], "little")
        return cls(path, content, tensors, start)

    def entry(self, name: str) -> Mapping[str, Any]:
        """The header's entry for a tensor: dtype, shape and data_offsets."""
        if name not in self.header:
            raise ModelBroken(f"{self.path} is truncated or altered: it has no tensor {name!r}.")
        return self.header[name]

    def tensor(self, name: str) -> Tensor | Bits:
        entry = self.entry(name)
        if entry["dtype"] not in _MAPPED:
            with safe_open(self.path, framework="numpy") as file:
                return np.asarray(file.get_tensor(name), dtype=np.float32)
        kind, shape = _MAPPED[entry["dtype"]], entry["shape"]
        begin = self.start + entry["data_offsets"][0]
        numbers: Any = np.frombuffer(self.content, kind, prod(shape), begin)
        return numbers.reshape(shape)

    def forget_pages(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self.content.madvise(mmap.MADV_DONTNEED)


def lies_in_file(tensor: Tensor | Bits) -> bool:
    """Whether a tensor is an aligned view of the mapped file, usable without a copy."""
    base: object = tensor
    while isinstance(base, np.ndarray):
        base = cast("Any", base).base
    return isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap) and tensor.flags.aligned

"""Fitted rotations: one safetensors file each, which holds its own digest.

::

    rotations/<name>.safetensors    tensors "matrix" (d, d) float32 and "energy" (d,) float64;
                                    metadata "model", "revision", "fitted_on" and "digest"
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors
from safetensors import safe_open as _safe_open

from bindery.disk import storage_errors, whole_file
from bindery.errors import InvalidValue, StorageError, UnknownRotation, did_you_mean
from bindery.vectors.rotation import Rotation

safe_open: Any = _safe_open  # compiled, without annotations

# The same characters as in the ids of models: both become parts of paths and URLs.
_NAME = re.compile(r"[a-z0-9](?:[._-]?[a-z0-9])*")
_LONGEST_NAME = 100
_SUFFIX = ".safetensors"


class RotationStore:
    """Rotations by name in one folder, which is created when the first is saved.

    Safe to use from several threads and processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Reading one takes some milliseconds, longer than rotating the vector of a query.
        self._read: dict[str, tuple[tuple[int, ...], Rotation]] = {}

    def names(self) -> list[str]:
        """The names of all rotations, sorted."""
        return sorted(
            path.name.removesuffix(_SUFFIX)
            for path in self._folder.glob(f"*{_SUFFIX}")
            if _is_name(path.name.removesuffix(_SUFFIX))
        )

    def get(self, name: str) -> Rotation:
        """The rotation of a name. Raises UnknownRotation; StorageError if its file was altered."""
        if not _is_name(name):
            raise self._unknown(name)
        path = self._path(name)
        try:
            state = path.stat()
        except FileNotFoundError as error:
            raise self._unknown(name) from error
        version = (state.st_ino, state.st_size, state.st_mtime_ns)
        if (known := self._read.get(name)) is not None and known[0] == version:
            return known[1]
        rotation = read_rotation(path)
        self._read[name] = (version, rotation)
        return rotation

    def check_free(self, name: str) -> None:
        """Raise InvalidValue for a name that is invalid or taken."""
        if not _is_name(name):
            raise InvalidValue(
                "The name of a rotation may have a-z, 0-9, '.', '_' and '-', and at most "
                f"{_LONGEST_NAME} characters, got {name[:200]!r}.",
                param="rotation",
            )
        if self._path(name).exists():
            raise InvalidValue(
                f"There is a rotation {name!r} already, and vectors of different rotations cannot "
                "be compared.",
                remedy=f"Choose another name, or first run `bindery rotate delete {name}`.",
                param="rotation",
            )

    def save(self, name: str, rotation: Rotation) -> None:
        """Save a rotation. Saving the same one again changes nothing.

        Raises InvalidValue for a name that is invalid or taken by another rotation, StorageError.
        """
        if name in self.names() and self.get(name).digest == rotation.digest:
            return
        self.check_free(name)
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_rotation(rotation, self._path(name))

    def delete(self, name: str) -> None:
        """Delete a rotation, even a damaged one. Raises UnknownRotation, StorageError."""
        if not _is_name(name):
            raise self._unknown(name)
        try:
            with storage_errors(self._folder):
                self._path(name).unlink()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise self._unknown(name) from error
            raise
        self._read.pop(name, None)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _unknown(self, name: str) -> UnknownRotation:
        known = f"Known: {', '.join(self.names()) or 'none'}. `bindery rotate fit` creates one."
        return UnknownRotation(
            f"There is no rotation {name[:80]!r}.",
            remedy=did_you_mean(name, self.names(), known),
            param="rotation",
        )


def write_rotation(rotation: Rotation, path: Path) -> None:
    """Write a rotation to a file. Raises StorageError."""
    content = safetensors.save(
        {"matrix": rotation.matrix, "energy": rotation.energy}, _metadata(rotation)
    )
    with whole_file(path) as file:
        file.write(content)


def read_rotation(path: Path) -> Rotation:
    """Read a rotation from a file. Raises StorageError if the file was altered."""
    try:
        with storage_errors(path), safe_open(path, framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            rotation = Rotation(
                np.ascontiguousarray(file.get_tensor("matrix")),
                np.ascontiguousarray(file.get_tensor("energy")),
                metadata["model"],
                metadata["revision"],
                int(metadata["fitted_on"]),
            )
    except (SafetensorError, InvalidValue, KeyError, ValueError) as error:
        raise _altered(path, str(error)) from error
    if _metadata(rotation) != metadata:
        raise _altered(path, "its digest does not match")
    return rotation


def _metadata(rotation: Rotation) -> dict[str, str]:
    return {
        "model": rotation.model,
        "revision": rotation.revision,
        "fitted_on": str(rotation.fitted_on),
        "digest": rotation.digest,
    }


def _is_name(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _altered(path: Path, why: str) -> StorageError:
    return StorageError(
        f"{path} is not the rotation that was saved: {why}.",
        remedy=f"Delete it (bindery rotate delete {path.name.removesuffix(_SUFFIX)}), fit it again "
        "and embed with the new one.",
    )

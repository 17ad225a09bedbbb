"""A model's folder: its JSON configuration, and which tensors its safetensors files hold.

Only headers are read here; :mod:`bindery.engines.weights` reads the numbers. The format of
safetensors (https://huggingface.co/docs/safetensors/index#format): the header's length (8 bytes,
little-endian), the header (JSON: tensors by name with ``dtype``, ``shape`` and ``data_offsets``),
and the tensors' bytes, without gaps.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from bindery.errors import ModelBroken

TensorHeaders: TypeAlias = dict[str, dict[str, Any]]
"""Each tensor's ``dtype``, ``shape`` and ``data_offsets`` by its name."""

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"

# The format's own limit; a longer header is an attack on the parser.
_MAX_HEADER_BYTES = 100_000_000

_ITEM_BYTES: Mapping[str, int] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """A JSON object in a file; ``{}`` if the file is ``optional`` and missing.

    Raises ModelBroken, naming the file, for anything else.
    """
    if optional and not path.is_file():
        return {}
    value = _read_json(path)
    if not isinstance(value, dict):
        raise ModelBroken(f"{path} is not a JSON object.")
    return cast("dict[str, Any]", value)


def read_modules(path: Path) -> list[dict[str, Any]]:
    """A modules.json: one object per module. Raises ModelBroken, naming it, for anything else."""
    value = cast("list[Any]", _read_json(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelBroken(f"{path} is not a list of modules.")
    return cast("list[dict[str, Any]]", value)


def read_tensors(path: Path) -> TensorHeaders:
    """The tensors of a safetensors file. Raises ModelBroken unless the file is whole."""
    try:
        return _read_whole(path)
    except ValueError as error:
        raise ModelBroken(
            f"{path} is truncated or altered: it {error}.", remedy="Fetch the file again."
        ) from error
    except OSError as error:
        raise ModelBroken(f"{path} cannot be read: {error.strerror}.") from error


def find_damage(path: Path) -> str | None:
    """What is wrong with a safetensors or JSON file, as a predicate; None if nothing is.

    Raises OSError.
    """
    try:
        if path.suffix == ".safetensors":
            _read_whole(path)
        elif path.suffix in {".json", ".metadata"}:
            json.loads(path.read_bytes())
    except ValueError as error:
        return str(error) if path.suffix == ".safetensors" else "is not JSON"
    return None


def files_by_tensor(folder: Path) -> dict[str, str]:
    """The name of the file that holds each tensor of a checkpoint. Raises ModelBroken."""
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        try:
            return dict(read_object(index)["weight_map"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelBroken(f"{index} does not map tensors to files.") from error
    if not (folder / WEIGHTS).is_file():
        raise ModelBroken(
            f"{folder} has no {WEIGHTS}.", remedy="Bindery only reads safetensors files."
        )
    return dict.fromkeys(read_tensors(folder / WEIGHTS), WEIGHTS)


def shape_of(folder: Path, tensor: str) -> tuple[int, ...] | None:
    """The shape of a checkpoint's tensor; None if there is none, or its file cannot be read.

    Loading the model will say what is wrong with the file.
    """
    try:
        index = folder / WEIGHTS_INDEX
        names = read_object(index)["weight_map"] if index.is_file() else {tensor: WEIGHTS}
        header, _ = _read_header(folder / names[tensor])
        return tuple(header[tensor]["shape"])
    except (ModelBroken, OSError, ValueError, KeyError, TypeError):
        return None


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelBroken(
            f"{path.parent} has no {path.name}.",
            remedy="Save the model with sentence-transformers, which writes every file needed.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelBroken(f"{path} is not JSON: {error}.") from error
    except OSError as error:
        raise ModelBroken(f"{path} cannot be read: {error}.") from error


def _read_header(path: Path) -> tuple[TensorHeaders, int]:
    """The tensors in a header, and where it ends. Raises ValueError with a predicate, OSError."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if size_bytes < 8 or header_bytes > size_bytes - 8:
            raise ValueError(
                f"is truncated ({size_bytes} bytes end within the header), or not a safetensors "
                "file"
            )
        if header_bytes > _MAX_HEADER_BYTES:
            raise ValueError(f"has a header of {header_bytes} bytes, which is too long")
        content = file.read(header_bytes)
    try:
        tensors = {name: one for name, one in json.loads(content).items() if name != "__metadata__"}
    except (ValueError, AttributeError, RecursionError) as error:
        raise _unsound(error) from error
    return tensors, 8 + header_bytes


def _read_whole(path: Path) -> TensorHeaders:
    """The tensors of a file that has just the bytes that its header says.

    Raises ValueError with a predicate, OSError.
    """
    tensors, start = _read_header(path)
    try:
        expected = start + _end_of_tensors(tensors)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unsound(error) from error
    size_bytes = path.stat().st_size
    if size_bytes < expected:
        raise ValueError(f"is truncated ({size_bytes} of {expected} bytes)")
    if size_bytes > expected:
        raise ValueError(f"has {size_bytes - expected} bytes too many")
    return tensors


def _end_of_tensors(tensors: TensorHeaders) -> int:
    """Where the last tensor ends, counted from the end of the header. They must leave no gaps."""
    ranges: list[tuple[int, int, str]] = []
    for name, tensor in tensors.items():
        start, end = cast("list[int]", tensor["data_offsets"])
        ranges.append((start, end, name))
        item_bytes = _ITEM_BYTES.get(tensor["dtype"])
        if item_bytes is not None and math.prod(tensor["shape"]) * item_bytes != end - start:
            raise ValueError(f"{name} does not fill its bytes")
    reached = 0
    for start, end, name in sorted(ranges):
        if start != reached or end < start:
            raise ValueError(f"{name} does not start where the tensor before it ends")
        reached = end
    return reached


def _unsound(error: Exception) -> ValueError:
    return ValueError(f"has a header that is not sound ({type(error).__name__}: {error})")

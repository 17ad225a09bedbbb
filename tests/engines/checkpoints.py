"""The tiny checkpoints, copied and spoilt."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions

TINY = Path(__file__).parent.parent / "golden" / "tiny"
Tensors = dict[str, np.ndarray]


def copied(name: str, folder: Path) -> Path:
    """A copy of the checkpoint ``name`` in ``folder``, to be changed."""
    return Path(shutil.copytree(TINY / name, folder / name))


def rewrite(path: Path, **changes: object) -> None:
    """Change a JSON object's keys; None takes one out."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    merged = {key: value for key, value in (found | changes).items() if value is not None}
    path.write_text(json.dumps(merged), encoding="utf-8")


def retensor(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Change a checkpoint's tensors."""
    path = folder / "model.safetensors"
    changed = change(load_file(path))
    save_file({name: np.ascontiguousarray(values) for name, values in changed.items()}, path)


def load(folder: Path, precision: str = "f32") -> DenseEncoder:
    """The encoder of a checkpoint, on one core."""
    encoder = load_encoder(read_layout(folder), ModelOptions(precision=precision, threads=1))
    assert isinstance(encoder, DenseEncoder)
    return encoder

"""The tiny checkpoints of every architecture, and what transformers makes of them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bindery.engines import Precision
from bindery.engines.openvino import OpenVinoEngine

GOLDEN = Path(__file__).parent.parent / "golden"
BODIES = GOLDEN / "bodies"
CHECKPOINTS = json.loads((GOLDEN / "bodies.json").read_text(encoding="utf-8"))["checkpoints"]
CASES = [(name, side) for name, made in CHECKPOINTS.items() for side in made["sides"]]
# Look at everything with a place of its own kind; the others' states at padding mean nothing.
LOOK_BOTH_WAYS = ("bert", "camembert", "distilbert", "mpnet", "nomic_bert", "roberta")


@dataclass(frozen=True, slots=True)
class Golden:
    """One batch, padded on one side, and its hidden states by the reference."""

    ids: np.ndarray
    mask: np.ndarray
    hidden: np.ndarray

    @property
    def attended(self) -> np.ndarray:
        return self.mask > 0


def golden(name: str, side: str = "right") -> Golden:
    with np.load(GOLDEN / "bodies.npz") as arrays:
        return Golden(*(arrays[f"{name}/{side}/{key}"] for key in ("ids", "mask", "hidden")))


def config(folder: Path) -> dict[str, object]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def open_body(folder: Path, precision: str = "f32", threads: int = 1) -> OpenVinoEngine:
    return OpenVinoEngine(folder, precision=Precision(precision), threads=threads)


@cache
def body(name: str) -> OpenVinoEngine:
    """A checkpoint in float32 with a quick path, opened once for all tests."""
    return open_body(BODIES / name, threads=2)

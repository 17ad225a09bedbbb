"""The tiny late-interaction checkpoints, their variants, and what the references make of them."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bindery.encoders.late import LateEncoder
from bindery.engines import Precision
from bindery.engines.openvino import OpenVinoEngine
from bindery.models.layouts import LateInteraction, Layout, read_layout

GOLDEN = Path(__file__).parent.parent / "golden"
LATE = GOLDEN / "late"
RECORD = json.loads((GOLDEN / "late.json").read_text(encoding="utf-8"))
TEXTS: dict[str, str] = RECORD["texts"]
SPECIAL_TEXTS: dict[str, str] = RECORD["special_texts"]
VARIANTS: dict[str, dict] = RECORD["variants"]
ROLES = ("query", "document")


class Golden(NamedTuple):
    """What a reference makes of each text: tokens, which are attended to and kept, and vectors."""

    ids: list[list[int]]
    attended: list[list[bool]]
    kept: list[list[bool]]
    vectors: list[np.ndarray]


def golden(file: str, variant: str, role: str) -> Golden:
    """The golden values of a variant in a role, from ``late`` or ``colbert_ai``."""
    found = np.load(GOLDEN / f"{file}.npz")

    def part(key: str, offsets: str) -> list[np.ndarray]:
        values = found[f"{variant}/{role}/{key}"]
        return [values[a:b] for a, b in pairwise(found[f"{variant}/{role}/{offsets}"])]

    lists = [[row.tolist() for row in part(key, "offsets")] for key in ("ids", "attended", "kept")]
    return Golden(*lists, vectors=part("vectors", "rows"))


def scores(file: str, variant: str) -> np.ndarray:
    """MaxSim of every query with every document, by the reference."""
    return np.load(GOLDEN / f"{file}.npz")[f"{variant}/scores"]


def copied(name: str, folder: Path) -> Path:
    """A copy of a checkpoint, to be changed."""
    return Path(shutil.copytree(LATE / name, folder / name))


def folder_of(variant: str, scratch: Path) -> Path:
    """A copy of a checkpoint with the variant's changes."""
    folder = copied(VARIANTS[variant]["checkpoint"], scratch)
    for name, change in VARIANTS[variant]["changes"].items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        merged = change if isinstance(change, list) else found | change
        path.write_text(json.dumps(merged), encoding="utf-8")
    return folder


def late_encoder(source: Path | Layout, **options: object) -> LateEncoder:
    """The encoder of a folder or layout, in float32 on one core."""
    layout = read_layout(source) if isinstance(source, Path) else source
    engine = OpenVinoEngine(layout.body, precision=Precision.FLOAT32, threads=1)
    return LateEncoder(layout, engine, **options)  # type: ignore[arg-type]


def late_of(folder: Path) -> LateInteraction:
    """What a folder says of its late interaction."""
    late = read_layout(folder).late
    assert late is not None
    return late


def modules(folder: Path) -> list[dict]:
    """The lines of a folder's modules.json."""
    return json.loads((folder / "modules.json").read_text(encoding="utf-8"))


def with_modules(folder: Path, *lines: dict) -> Path:
    """The folder with another modules.json."""
    (folder / "modules.json").write_text(json.dumps(lines), encoding="utf-8")
    return folder

"""Tiny models of the families under the names of the real ones, as rows of a user's own catalog."""

import json
from pathlib import Path

from bindery.models.catalog import CATALOG
from bindery.models.layouts import read_layout

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = {"gemma": GOLDEN / "matryoshka", "colbert": GOLDEN / "late" / "stanford"}


def write_catalog(path: Path) -> Path:
    """A catalog file with a row for each of them."""
    path.write_text("\n".join(_row(*item) for item in TINY.items()), encoding="utf-8")
    return path


def _row(name: str, folder: Path) -> str:
    """Of the folder's own, and with what the real row knows beside."""
    card, own = read_layout(folder).card, CATALOG[name].card
    keys = {
        "family": own.family,
        "repository": f"nobody/{name}",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "dimensions": card.dimensions,
        "max_tokens": card.max_tokens,
        "pooling": list(card.pooling),
        "nested_dimensions": [32, 16, 8] if own.nested_dimensions else [],
        "title_prompt": own.title_prompt,
    }
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    tables = {"prompts": own.prompts, "files": dict.fromkeys(files, "")}
    lines = [f"[models.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    for table, values in tables.items():
        lines.append(f"[models.{name}.{table}]")
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines)

"""docs/models.md: its table is the catalog, and its rows of a user's own are read."""

import re
from pathlib import Path

from bindery.models.card import CatalogEntry
from bindery.models.catalog import CATALOG, DEFAULT_MODELS, read_catalog

PAGE = (Path(__file__).parent.parent.parent / "docs" / "models.md").read_text("utf-8")


def _line(entry: CatalogEntry) -> str:
    card = entry.card
    cells = (
        f"`{card.id}`",
        card.repository + (" (gated)" if entry.release.gated else ""),
        card.family,
        ", ".join(map(str, (card.dimensions, *card.nested_dimensions))),
        str(card.max_tokens),
        card.languages[0] if len(card.languages) == 1 else f"{len(card.languages)} languages",
        card.licence,
        "yes" if entry.verified else "not yet",
    )
    return f"| {' | '.join(cells)} |"


def test_the_table_is_the_catalog():
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert lines == [_line(entry) for entry in CATALOG.values()]


def test_the_defaults_are_named():
    assert f"({', '.join(f'`{name}`' for name in DEFAULT_MODELS)})" in PAGE


def test_its_rows_are_read(tmp_path):
    blocks = re.findall(r"(?ms)^```toml\n(.*?)^```", PAGE)
    path = tmp_path / "catalog.toml"
    path.write_text("\n".join(blocks), encoding="utf-8")
    entries = read_catalog(path)
    assert len(entries) == len(blocks) == 2
    assert all(isinstance(entry, CatalogEntry) for entry in entries.values())
    # Of nobody's checking but the user's.
    assert not any(entry.verified for entry in entries.values())

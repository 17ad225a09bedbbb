"""docs/models.md: the defaults are named, and the examples of a user's own rows are read."""

import re
from pathlib import Path

from bindery.models.card import CatalogEntry
from bindery.models.catalog import DEFAULT_MODELS, read_catalog

PAGE = (Path(__file__).parent.parent.parent / "docs" / "models.md").read_text("utf-8")


def test_the_defaults_are_named():
    first, *others = DEFAULT_MODELS
    assert f"downloads `{first}`" in PAGE
    assert all(f"`{name}`" in PAGE.partition("<!-- table")[0] for name in others)


def test_its_rows_are_read(tmp_path):
    blocks = re.findall(r"(?ms)^```toml\n(.*?)^```", PAGE)
    path = tmp_path / "catalog.toml"
    path.write_text("\n".join(blocks), encoding="utf-8")
    entries = read_catalog(path)
    assert len(entries) == len(blocks) == 2
    assert all(isinstance(entry, CatalogEntry) for entry in entries.values())
    # Of nobody's checking but the user's.
    assert not any(entry.verified for entry in entries.values())

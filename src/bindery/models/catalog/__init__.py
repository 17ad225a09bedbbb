"""The built-in models: only data, one row per model, one file per family.

Revisions and digests are from public sources (at least two for each digest), not from the hub: a
row is ``verified`` once it was compared with its files. ``pytest -m hub`` does that for every row.
"""

from collections.abc import Mapping

from bindery.models.card import OFTEN_ABSENT, SENTENCE_TRANSFORMERS_FILES, CatalogEntry
from bindery.models.catalog.dense import DENSE
from bindery.models.catalog.late import LATE_INTERACTION
from bindery.models.catalog.matryoshka import MATRYOSHKA

__all__ = ["CATALOG", "DEFAULT_MODELS", "OFTEN_ABSENT", "SENTENCE_TRANSFORMERS_FILES"]

DEFAULT_MODELS = ("vanilla", "gemma", "colbert")
"""The models to fetch by default: one of each family."""

_ROWS = {row.id: row for row in (*DENSE, *MATRYOSHKA, *LATE_INTERACTION)}

CATALOG: Mapping[str, CatalogEntry] = {
    **{name: _ROWS[name] for name in DEFAULT_MODELS},
    **_ROWS,
}
"""All rows by id: the default models first, then the others by family."""

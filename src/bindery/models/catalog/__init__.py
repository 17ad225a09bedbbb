"""The models that Bindery knows by name: data only, one row each, in a file for each family.

Revisions, and the digests where a row has some, were read in public sources (two or more for each
digest), not on the hub: a row is ``verified`` once its files were fetched and its numbers held
against them. ``pytest -m hub`` does that for every row.
"""

from collections.abc import Mapping

from bindery.models.card import OFTEN_ABSENT, SENTENCE_TRANSFORMERS_FILES, CatalogEntry
from bindery.models.catalog.dense import DENSE
from bindery.models.catalog.late import LATE_INTERACTION
from bindery.models.catalog.matryoshka import MATRYOSHKA

__all__ = ["CATALOG", "DEFAULT_MODELS", "OFTEN_ABSENT", "SENTENCE_TRANSFORMERS_FILES"]

DEFAULT_MODELS = ("vanilla", "gemma", "colbert")
"""One of each family: what is fetched when nobody says which."""

_ROWS = {row.id: row for row in (*DENSE, *MATRYOSHKA, *LATE_INTERACTION)}

CATALOG: Mapping[str, CatalogEntry] = {
    **{name: _ROWS[name] for name in DEFAULT_MODELS},
    **_ROWS,
}
"""Every row by its id: the defaults first, then the others by family."""

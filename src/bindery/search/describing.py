"""What a collection may be called, and its facts, read without opening its index."""

import json
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bindery.errors import InvalidValue
from bindery.jobs.recipe import Recipe
from bindery.search.codes import LEAST_RECALL, NO_FIRST_PASS, FirstPass
from bindery.search.language import unsuited
from bindery.search.segment_files import codes_head, size_of
from bindery.store.collections import StoredCollection
from bindery.store.database import Conflict
from bindery.store.placements import FileCount
from bindery.types import utc_text

_MOST_NAME = 100
_MISSING = (
    "Index files that are not in this home folder: {}. Their chunks are read from the database, "
    "which is slow. If several machines use one database, give all of them one home folder."
)


def describe(
    stored: StoredCollection, recipe: Recipe, counts: Sequence[FileCount], folder: Path
) -> dict[str, Any]:
    """A collection for JSON, with the lowest recall of its segments, which lie in ``folder``.

    The tail counts as one segment.
    """
    chunks = Counter[str]()
    for one in counts:
        chunks[one.language] += one.chunks
    segments = sorted({one.segment or "" for one in counts if one.chunks})
    passes = [_first_pass(folder, name) for name in segments]
    first_pass = min(
        passes, key=lambda one: (one.recall, one == NO_FIRST_PASS), default=NO_FIRST_PASS
    )
    sizes = {name: size_of(folder, name) for name in segments}
    in_segments = sum(one.chunks for one in counts if one.segment)
    missing = sum(not size for name, size in sizes.items() if name)
    warnings = [
        unsuited(stored.name, recipe.model, recipe.languages, chunks),
        _MISSING.format(missing) if missing else "",
    ]
    return {
        "name": stored.name,
        "model": recipe.model,
        "dimensions": recipe.dimensions,
        "strategy": recipe.chunks.strategy,
        "size": recipe.chunks.size,
        "overlap": recipe.chunks.overlap,
        "context": recipe.chunks.context,
        **asdict(stored.settings),
        "files": sum(one.files for one in counts),
        "files_missing": sum(one.files - one.placed for one in counts),
        "chunks": chunks.total(),
        "segments": len(segments),
        "index_bytes": sum(sizes.values()),
        "bytes_per_chunk": round(sum(sizes.values()) / in_segments) if in_segments else 0,
        "first_pass": first_pass.name,
        "recall": first_pass.recall,
        "languages": sorted(one for one, count in chunks.items() if one and count),
        "attributes": dict(stored.schema),
        "created_at": utc_text(stored.created_at),
        "warnings": [one for one in warnings if one],
    }


def _first_pass(folder: Path, name: str) -> FirstPass:
    """That of a segment by the first line of its codes; none if they are not there or not read."""
    try:
        about = json.loads(codes_head(folder, name))
        recall = float(about["recall"])
        if "turn" in about:
            return FirstPass("short codes" if about["turn"][0] else "codes", recall)
    except (ValueError, KeyError, TypeError):  # none, or of another version
        return NO_FIRST_PASS
    # Lists of centroids that find too little are not used.
    return FirstPass("centroids", recall) if recall >= LEAST_RECALL else NO_FIRST_PASS


@contextmanager
def naming(name: str) -> Generator[None]:
    """Raise InvalidValue if a collection cannot have the name, or if another one has it."""
    # Clients resolve . and .. in a path before they send it, and some strip white space.
    is_bare = name.strip() == name and name not in {"", ".", ".."}
    if not is_bare or len(name) > _MOST_NAME or not name.isprintable() or "/" in name:
        raise InvalidValue(
            f"{name[:80]!r} cannot be the name of a collection.",
            remedy=f"Choose 1 to {_MOST_NAME} printable characters without a slash, "
            "no space at either end, and neither . nor ..",
            param="name",
        )
    try:
        yield
    except Conflict as error:
        raise InvalidValue(
            f"The collection {name!r} already exists.", remedy="Choose another name.", param="name"
        ) from error

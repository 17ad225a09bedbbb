"""One file of a collection: all its passages in order, and its original."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindery.errors import FileTooLarge, InvalidValue, UnknownFile
from bindery.library import Library
from bindery.search.answers import text_of
from bindery.search.collection import Collection
from bindery.search.explaining import TokenMatrix, token_matrices
from bindery.search.queries import check_queries
from bindery.store import collections as catalog
from bindery.store import derived, placements
from bindery.store.collections import CollectionFile
from bindery.types import Chunk, Span

_LIST = "GET /collections/{name}/files lists the files."


@dataclass(frozen=True, slots=True)
class FilePassages:
    """The chunks of a file, in order, and what its reader warned of.

    What lies between two chunks is white space.
    """

    file: CollectionFile
    chunks: tuple[Chunk, ...]
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            **self.file.facts(),
            "warnings": list(self.warnings),
            "pages": max((chunk.last_page or 0 for chunk in self.chunks), default=0) or None,
            "passages": [
                {
                    "start": chunk.span.start,
                    "end": chunk.span.end,
                    "page": chunk.page,
                    "last_page": chunk.last_page,
                    "headings": list(chunk.headings),
                    "tokens": chunk.tokens,
                    "text": chunk.text,
                }
                for chunk in self.chunks
            ],
        }


def find_file(library: Library, collection: Collection, file_id: str) -> CollectionFile:
    """The file of an id. Raises UnknownFile."""
    with library.database.reading() as connection:
        found = catalog.find_file_by_id(connection, collection.id, file_id)
    if found is None:
        raise UnknownFile(
            f"{collection.name!r} has no file with the id {file_id[:80]!r}.",
            remedy=_LIST,
            param="file_id",
        )
    return found


def read_passages(library: Library, collection: Collection, file_id: str) -> FilePassages:
    """All chunks of a file, as they were embedded. Raises UnknownFile."""
    file = find_file(library, collection, file_id)
    with library.database.reading() as connection:
        sets = placements.chunk_sets_of(connection, collection.stored.generation, [file.number])
        key = sets.get(file.number)
        chunk_set = None if key is None else derived.find_chunks(connection, key)
        if key is None or chunk_set is None:
            raise UnknownFile(
                f"{file.name!r} has no passages in this generation of the collection.",
                remedy="Add it again.",
                param="file_id",
            )
        chunks = [chunk for part in derived.read_chunks(connection, key) for chunk in part]
    return FilePassages(file, tuple(chunks), chunk_set.warnings)


def compare_tokens(
    library: Library, collection: Collection, file_id: str, span: Span, query: str
) -> TokenMatrix:
    """The tokens of a query compared with those of the text at ``span`` of a file.

    Raises InvalidValue if no passage of the file is there, if it or the query has no tokens, or if
    the model gives no vectors of tokens; UnknownFile; and what loading the model raises.
    """
    chunks = read_passages(library, collection, file_id).chunks
    found = [one for one in chunks if one.span.start < span.end and span.start < one.span.end]
    check_queries([query])
    if not found:
        raise InvalidValue(
            f"The file has no passage at {span.start} to {span.end}.",
            remedy="Use the start and end of a hit.",
            param="start",
        )
    with library.lend(collection.recipe.loaded_as) as encoder:
        (matrix,) = token_matrices(encoder, query, [text_of(found)])
    if matrix is None:
        raise InvalidValue(
            f"The model {collection.recipe.model!r} gives no vectors of tokens.",
            remedy="Use a collection with a local model.",
        )
    return matrix


def read_original(library: Library, file: CollectionFile, *, limit_bytes: int) -> bytes:
    """The content of a file as it was added, from the store or from this machine.

    Raises UnknownFile if it is gone or has changed since, and FileTooLarge above ``limit_bytes``.
    """
    if file.size_bytes > limit_bytes:
        raise FileTooLarge(
            f"{file.name!r} is larger than {limit_bytes / 1024 / 1024:g} MB.",
            remedy="Open it where it is stored.",
        )
    gone = UnknownFile(
        f"The original of {file.name!r} is gone, or has changed since it was added.",
        remedy="Add it again. Its passages are still found.",
        param="file_id",
    )
    with ExitStack() as opened:
        path = Path(file.source)
        if not path.is_absolute():
            path = opened.enter_context(library.files.as_path(file.source))
        if not path.is_file() or path.stat().st_size != file.size_bytes:  # also not a pipe
            raise gone
        try:
            data = path.read_bytes()
        except OSError as error:
            raise gone from error
    if hashlib.sha256(data).hexdigest() != file.content:
        raise gone
    return data

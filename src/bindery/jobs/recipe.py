"""What chunks and vectors depend on, as keys by which they are found again.

A key is a SHA-256 over everything that could change what it stands for, so that nothing is made
twice and nothing is taken for what it is not. Owners share nothing: else how fast a job is would
tell one what another has.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from bindery.chunking import LATE
from bindery.types import Chunk


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the file that chunks and vectors depend on, with nothing left to a default.

    ``bindery`` is the version that reads and cuts. ``dimensions`` is how long vectors are, and
    ``cut_to`` what was asked for: None leaves them as the model gives them. Of a rotation the
    digest counts, since its name may be another's later.
    """

    owner: str
    bindery: str
    model: str
    revision: str
    precision: str
    strategy: str
    size: int
    overlap: int
    context: str
    parent_size: int | None
    role: str
    dimensions: int
    cut_to: int | None
    rotation: str | None = None
    rotation_digest: str | None = None
    has_many_vectors: bool = False

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)

    @property
    def is_late(self) -> bool:
        """Whether a chunk's vector depends on the whole document."""
        return self.strategy == LATE

    def chunks_key(self, content: str, name: str) -> bytes:
        """That of the chunks of a content; readers look at its name, too."""
        cutting = (self.strategy, self.size, self.overlap, self.context, self.parent_size)
        made_by = (self.owner, self.bindery, self.model, self.revision)
        return _digest("chunks", *made_by, *cutting, content, name)

    def vector_keys(self, chunks: Sequence[Chunk], document: str) -> list[bytes]:
        """Those of the chunks' vectors; ``document`` is the SHA-256 of the whole text."""
        common = hashlib.sha256(repr(("vector", *self._made_by())).encode())
        # In late chunking the first and the last chunk of a document take more than the others.
        around = (document, self.bindery, self.size, self.overlap)
        keys: list[bytes] = []
        for chunk in chunks:
            where = (*around, chunk.span.start, chunk.span.end) if self.is_late else ()
            digest = common.copy()
            digest.update(f"{where!r}{chunk.context}{chunk.text}".encode())
            keys.append(digest.digest())
        return keys

    def _made_by(self) -> tuple[object, ...]:
        made_by = (self.owner, self.model, self.revision, self.precision, self.role)
        return (*made_by, self.is_late, self.dimensions, self.cut_to, self.rotation_digest)


def chunk_ids(name: str, chunks: Sequence[Chunk], seen: dict[bytes, int]) -> list[str]:
    """An id for each chunk of a file, the same as long as the file has that text.

    ``seen`` counts what came before in the file: the second chunk of one text has another id.
    """
    ids: list[str] = []
    for chunk in chunks:
        key = _digest("id", name, chunk.context, chunk.text)
        seen[key] = count = seen.get(key, -1) + 1
        ids.append(_digest("id", key, count).hex()[:32])
    return ids


def text_digest(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def parsed_by() -> str:
    """The version of what reads and cuts."""
    return version("bindery")


def _digest(*parts: object) -> bytes:
    # A repr says where it ends, so no two different lists of parts make the same bytes.
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()

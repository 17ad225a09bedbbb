"""What chunks and vectors depend on, as keys by which they are found again.

A key is a SHA-256 over everything that could change what it stands for, so that nothing is made
twice and nothing is taken for what it is not. Owners share nothing: else how fast a job is would
tell one what another has.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from importlib.metadata import version
from typing import Any

from bindery.options import ChunkOptions, VectorOptions, names_of
from bindery.types import Chunk


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the file that chunks and vectors depend on, with nothing left to a default.

    ``bindery`` is the version that reads and cuts. ``chunks`` has a size. ``vectors.dimensions`` is
    what was asked for, None for vectors as the model gives them, and ``dimensions`` how long they
    are. The digest of a rotation counts, and not its name, which another one may have later.
    """

    owner: str
    bindery: str
    model: str
    revision: str
    precision: str
    chunks: ChunkOptions
    vectors: VectorOptions
    dimensions: int
    rotation_digest: str | None = None
    has_many_vectors: bool = False

    def facts(self) -> dict[str, Any]:
        """The same for JSON; :meth:`from_facts` reads it back."""
        vectors = self.vectors
        return {
            "owner": self.owner,
            "bindery": self.bindery,
            "model": self.model,
            "revision": self.revision,
            "precision": self.precision,
            **asdict(self.chunks),
            "role": vectors.role,
            "dimensions": self.dimensions,
            "cut_to": vectors.dimensions,
            "rotation": vectors.rotation,
            "rotation_digest": self.rotation_digest,
            "has_many_vectors": self.has_many_vectors,
            **self._rarely(),
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Recipe":
        """The recipe that these facts are of."""
        own = {name: facts[name] for name in ("owner", "bindery", "model", "revision", "precision")}
        cut_to, rest = facts["cut_to"], {name: facts[name] for name in _RARE if name in facts}
        vectors = VectorOptions(
            facts["role"], cut_to, cut_to is not None, facts["rotation"], **rest
        )
        made = {name: facts[name] for name in ("rotation_digest", "has_many_vectors")}
        chunks = ChunkOptions(**{name: facts[name] for name in names_of(ChunkOptions)})
        return cls(**own, **made, chunks=chunks, vectors=vectors, dimensions=facts["dimensions"])

    @property
    def is_late(self) -> bool:
        """Whether the vector of a chunk depends on the whole document."""
        return self.chunks.is_late

    def chunks_key(self, content: str, name: str) -> bytes:
        """The key of the chunks of a content; readers look at its name, too."""
        made_by = (self.owner, self.bindery, self.model, self.revision)
        return _digest("chunks", *made_by, *astuple(self.chunks), content, name)

    def vector_keys(self, chunks: Sequence[Chunk], document: str) -> list[bytes]:
        """The keys of the chunks' vectors; ``document`` is the SHA-256 of the whole text."""
        common = hashlib.sha256(repr(("vector", *self._made_by())).encode())
        # In late chunking the first and the last chunk of a document take more than the others.
        around = (document, self.bindery, self.chunks.size, self.chunks.overlap)
        keys: list[bytes] = []
        for chunk in chunks:
            where = (*around, chunk.span.start, chunk.span.end) if self.is_late else ()
            digest = common.copy()
            digest.update(f"{where!r}{chunk.context}{chunk.text}".encode())
            keys.append(digest.digest())
        return keys

    def _made_by(self) -> tuple[object, ...]:
        vectors = self.vectors
        made_by = (self.owner, self.model, self.revision, self.precision, vectors.role)
        cut = (self.is_late, self.dimensions, vectors.dimensions, self.rotation_digest)
        return (*made_by, *cut, *self._rarely().items())

    def _rarely(self) -> dict[str, str]:
        """The options that most jobs leave out: without them, keys are as they were before."""
        given = {name: getattr(self.vectors, name) for name in _RARE}
        usual = VectorOptions()
        return {name: str(one) for name, one in given.items() if one != getattr(usual, name)}


_RARE = ("title", "truncate")


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

"""Every table. A change here needs a migration beside it, and ``REVISION`` to name that.

::

    contents    what is kept once, however many files have it: everything derived hangs from here
    files       what users uploaded, each one content under a name
    leftovers   contents that may lie in the store without a file: on their way in, or out
    jobs        long work, and job_files: how far each of its files is
    chunk_sets  the chunks of a content, in chunk_parts, by the digest of all they depend on
    vectors     those of texts, likewise; vector_uses tells which chunks have them
    collections files that are searched together, with their generations, placements and segments

``contents.sha256`` is what the tables of derived things refer to, ON DELETE CASCADE: when the last
file of a content is deleted, its row goes, and with that all that was made from it.
"""

from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

REVISION = "0002"
"""The newest migration, which the database of this program is at."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class AnyText(TypeDecorator[str]):
    """A text from outside, kept as UTF-8 bytes: PostgreSQL's text has no place for U+0000."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """To the database."""
        return None if value is None else value.encode("utf-8")

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """From the database."""
        return None if value is None else bytes(value).decode("utf-8")


class Json(TypeDecorator[Any]):
    """A value kept as JSON in a text column; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401
        """To the database."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """From the database."""
        return None if value is None else orjson.loads(value)


contents = Table(
    "contents",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("sha256", String(64), ForeignKey(contents.c.sha256), nullable=False, index=True),
    Column("name", AnyText, nullable=False),
    Column("purpose", String(100), nullable=False),
    Column("uploaded_at", Double, nullable=False, index=True),
)

leftovers = Table(
    "leftovers",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("since", Double, nullable=False),
)
"""What a process that ends midway would leave behind; 0 is what nobody needs since then."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", AnyText, nullable=False),
    Column("idempotency_key", AnyText),
    Column("request", Json, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("is_cancelled", Boolean, nullable=False),
    Column("error", Json),
    Column("progress", Json, nullable=False),
    Column("maker", Json),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("lease_holder", Text),
    Column("lease_until", Double),
    UniqueConstraint("owner", "idempotency_key"),
)
"""Jobs and their leases; :class:`bindery.store.jobs.JobRow` describes the columns."""

job_files = Table(
    "job_files",
    metadata,
    Column("job_id", String(64), ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("file_id", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("content", String(64), index=True),
    Column("chunk_set", LargeBinary(32), index=True),
    Column("chunks", Integer, nullable=False),
    Column("warnings", Json, nullable=False),
    Column("error_code", Text),
    Column("error_message", AnyText),
    Column("remedy", AnyText),
    Column("changed", Integer, nullable=False),
    Index("ix_job_files_job_id_changed", "job_id", "changed"),
)
"""The files of a job; :class:`bindery.store.jobs.JobFileRow` describes the columns."""

chunk_sets = Table(
    "chunk_sets",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column(
        "content",
        String(64),
        ForeignKey(contents.c.sha256, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("document", String(64), nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("warnings", Json, nullable=False),
    Column("is_whole", Boolean, nullable=False),
    Column("kind", String(32), nullable=False, default="", server_default=""),
    Column("title", AnyText, nullable=False, default="", server_default=""),
    Column("language", String(16), nullable=False, default="", server_default=""),
)
"""Chunks by the digest of all that they depend on; ``content`` and ``document`` are SHA-256."""

chunk_parts = Table(
    "chunk_parts",
    metadata,
    Column(
        "key", LargeBinary(32), ForeignKey(chunk_sets.c.key, ondelete="CASCADE"), primary_key=True
    ),
    Column("part", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""The chunks themselves, some at a time: JSON, compressed by zlib."""

vectors = Table(
    "vectors",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column("dimensions", Integer, nullable=False),
    Column("tokens_used", Integer, nullable=False),
    Column("tokens_cut", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Vectors by the digest of all that they depend on: little-endian float32, row after row."""

vector_uses = Table(
    "vector_uses",
    metadata,
    Column("vector", LargeBinary(32), ForeignKey(vectors.c.key), primary_key=True),
    Column(
        "chunk_set",
        LargeBinary(32),
        ForeignKey(chunk_sets.c.key, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)
"""Which vectors a set of chunks has: those that none has any more go."""


collections = Table(
    "collections",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", AnyText, nullable=False, unique=True),
    Column("schema", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""Named sets of files that are searched together; ``state`` counts the changes of each."""

generations = Table(
    "generations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("collection", String(64), ForeignKey(collections.c.id), nullable=False, index=True),
    Column("recipe", Json, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""What one recipe makes of a collection; the recipe is a JSON object."""

collection_files = Table(
    "collection_files",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("collection", String(64), ForeignKey(collections.c.id), nullable=False),
    Column("name", AnyText, nullable=False),
    Column("source", AnyText, nullable=False, index=True),
    Column("content", String(64), ForeignKey(contents.c.sha256), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("title", AnyText, nullable=False),
    Column("language", String(16), nullable=False),
    Column("attributes", Json, nullable=False),
    Column("added_at", Double, nullable=False),
    UniqueConstraint("collection", "name"),
)
"""The files of a collection by the names that their user gave them, with their attributes."""

placements = Table(
    "placements",
    metadata,
    Column("generation", Integer, ForeignKey(generations.c.id), primary_key=True),
    Column("file", Integer, ForeignKey(collection_files.c.number), primary_key=True, index=True),
    Column("chunk_set", LargeBinary(32), ForeignKey(chunk_sets.c.key), nullable=False, index=True),
    Column("segment", String(64)),
)
"""The chunks of a file in a generation, and the segment that has their rows; none for the tail."""

segments = Table(
    "segments",
    metadata,
    Column("generation", Integer, ForeignKey(generations.c.id), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("rows", Integer, nullable=False),
)
"""The segments of a generation; what they hold can be made again from the tables."""

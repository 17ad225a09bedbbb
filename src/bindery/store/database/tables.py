"""All tables. A change here needs a migration in ``migrations/``, and its name in ``REVISION``.

::

    contents    the contents of files, each stored once
    files       uploaded files: their names and contents
    leftovers   contents that may be stored without a file, because they are being added or deleted
    jobs        jobs, and job_files: the states of their files
    chunk_sets  the chunks of a file, in chunk_parts, by a digest of everything they depend on
    vectors     the vectors of texts, in the same way; vector_uses has the chunks that use them
    collections files that are searched together, with their generations, placements and segments
    marks       passages that users marked as right or wrong answers
    vector_stores, vector_store_files    what OpenAI's clients add to collections

Tables of derived data refer to ``contents.sha256`` with ON DELETE CASCADE: when the last file with
the content is deleted, the row of the content and everything derived from it are deleted.
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

REVISION = "0007"
"""The newest migration."""

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
    """Any text, stored as UTF-8 bytes, because text in PostgreSQL cannot contain U+0000."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """To the database."""
        return None if value is None else value.encode("utf-8")

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """From the database."""
        return None if value is None else bytes(value).decode("utf-8")


class Json(TypeDecorator[Any]):
    """A value stored as JSON in a text column; None is NULL."""

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
    Column("owner", String(64), nullable=False, default="", server_default=""),
)

leftovers = Table(
    "leftovers",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("since", Double, nullable=False),
)
"""Contents that a process may leave behind if it ends midway, with the time; 0 if unused."""

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
"""Sets of chunks by the digest of their recipe; ``content`` and ``document`` are SHA-256."""

chunk_parts = Table(
    "chunk_parts",
    metadata,
    Column(
        "key", LargeBinary(32), ForeignKey(chunk_sets.c.key, ondelete="CASCADE"), primary_key=True
    ),
    Column("part", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""The chunks of a set in parts: JSON, compressed by zlib."""

vectors = Table(
    "vectors",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column("dimensions", Integer, nullable=False),
    Column("tokens_used", Integer, nullable=False),
    Column("tokens_cut", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Vectors by the digest of text and recipe: rows of little-endian float32."""

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
"""The vectors that a set of chunks uses. Unused vectors are deleted."""


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
    Column("switched_at", Double),
    Column("report", Json),
)
"""What one recipe makes of a collection: see :mod:`bindery.store.generations`."""

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
    Column("id_name", AnyText, index=True),
    UniqueConstraint("collection", "name"),
)
"""The files of a collection by the names that their user gave them, with their attributes.

``id_name`` is what the ids of the chunks of a file are made of, if that is not its name: the first
one of a renamed file.
"""

collection_changes = Table(
    "collection_changes",
    metadata,
    Column(
        "collection",
        String(64),
        ForeignKey(collections.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("state", Integer, primary_key=True),
    Column("file", Integer, primary_key=True),
)
"""The numbers of the files that the last changes of a collection concern, by its ``state``."""

placements = Table(
    "placements",
    metadata,
    Column("generation", Integer, ForeignKey(generations.c.id), primary_key=True),
    Column("file", Integer, ForeignKey(collection_files.c.number), primary_key=True, index=True),
    Column("chunk_set", LargeBinary(32), ForeignKey(chunk_sets.c.key), nullable=False, index=True),
    Column("segment", String(64)),
)
"""The chunks of a file in a generation, and the segment that has their rows; none for the tail."""

marks = Table(
    "marks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("query", AnyText, nullable=False),
    Column(
        "file",
        Integer,
        ForeignKey(collection_files.c.number, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("content", String(64), nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("is_right", Boolean, nullable=False),
    Column("made_at", Double, nullable=False),
)
"""Passages that users marked as right or wrong answers: see :mod:`bindery.store.marks`."""

segments = Table(
    "segments",
    metadata,
    Column("generation", Integer, ForeignKey(generations.c.id), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("rows", Integer, nullable=False),
)
"""The segments of a generation; what they hold can be made again from the tables."""

vector_stores = Table(
    "vector_stores",
    metadata,
    Column("collection", String(64), ForeignKey(collections.c.id), primary_key=True),
    Column("name", AnyText),
    Column("description", AnyText),
    Column("metadata", Json, nullable=False),
    Column("expires_days", Integer),
    Column("last_active_at", Double, nullable=False),
)
"""What clients of OpenAI's vector stores say of a collection; ``name`` is None for its own name."""

vector_store_files = Table(
    "vector_store_files",
    metadata,
    Column("collection", String(64), ForeignKey(collections.c.id), primary_key=True),
    Column("file_id", AnyText, primary_key=True, index=True),
    Column("name", AnyText, nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("place", Integer, nullable=False),
    Column("attributes", Json),
    Column("created_at", Double, nullable=False),
    Column("removed_at", Double),
)
"""Files that were attached to a vector store, and the job that adds them, or added them last.

``attributes`` are for the collection, until the file is in it. The rows of removed files stay,
because clients page by the id of the last file of a page, which they may have removed.
"""

"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "contents",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_contents"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(100), nullable=False),
        sa.Column("uploaded_at", _SECONDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.ForeignKeyConstraint(["sha256"], ["contents.sha256"], name="fk_files_sha256_contents"),
    )
    op.create_table(
        "leftovers",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("since", _SECONDS, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_leftovers"),
    )
    op.create_index("ix_files_sha256", "files", ["sha256"])
    op.create_index("ix_files_uploaded_at", "files", ["uploaded_at"])
    _add_jobs()
    _add_chunks()
    _add_vectors()


def _add_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        sa.Column("idempotency_key", sa.LargeBinary()),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text()),
        sa.Column("created_at", _SECONDS, nullable=False),
        sa.Column("updated_at", _SECONDS, nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("lease_holder", sa.Text()),
        sa.Column("lease_until", _SECONDS),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("owner", "idempotency_key", name="uq_jobs_owner_idempotency_key"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(64)),
        sa.Column("chunk_set", sa.LargeBinary(32)),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.LargeBinary()),
        sa.Column("remedy", sa.LargeBinary()),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_files_job_id_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "place", name="pk_job_files"),
    )
    op.create_index("ix_job_files_chunk_set", "job_files", ["chunk_set"])
    op.create_index("ix_job_files_content", "job_files", ["content"])
    op.create_index("ix_job_files_job_id_changed", "job_files", ["job_id", "changed"])


def _add_chunks() -> None:
    op.create_table(
        "chunk_sets",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("document", sa.String(64), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content"],
            ["contents.sha256"],
            name="fk_chunk_sets_content_contents",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_chunk_sets"),
    )
    op.create_index("ix_chunk_sets_content", "chunk_sets", ["content"])
    op.create_table(
        "chunk_parts",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key"], ["chunk_sets.key"], name="fk_chunk_parts_key_chunk_sets", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", "part", name="pk_chunk_parts"),
    )


def _add_vectors() -> None:
    op.create_table(
        "vectors",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("tokens_used", sa.Integer(), nullable=False),
        sa.Column("tokens_cut", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_vectors"),
    )
    op.create_table(
        "vector_uses",
        sa.Column("vector", sa.LargeBinary(32), nullable=False),
        sa.Column("chunk_set", sa.LargeBinary(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["chunk_set"],
            ["chunk_sets.key"],
            name="fk_vector_uses_chunk_set_chunk_sets",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["vector"], ["vectors.key"], name="fk_vector_uses_vector_vectors"),
        sa.PrimaryKeyConstraint("vector", "chunk_set", name="pk_vector_uses"),
    )
    op.create_index("ix_vector_uses_chunk_set", "vector_uses", ["chunk_set"])

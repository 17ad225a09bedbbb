"""What clients of OpenAI's vector stores keep of collections."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "vector_stores",
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("name", sa.LargeBinary()),
        sa.Column("description", sa.LargeBinary()),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("expires_days", sa.Integer()),
        sa.Column("last_active_at", _SECONDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name="fk_vector_stores_collection_collections"
        ),
        sa.PrimaryKeyConstraint("collection", name="pk_vector_stores"),
    )
    op.create_table(
        "vector_store_files",
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("file_id", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.Text()),
        sa.Column("created_at", _SECONDS, nullable=False),
        sa.Column("removed_at", _SECONDS),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name="fk_vector_store_files_collection_collections"
        ),
        sa.PrimaryKeyConstraint("collection", "file_id", name="pk_vector_store_files"),
    )
    op.create_index("ix_vector_store_files_file_id", "vector_store_files", ["file_id"])

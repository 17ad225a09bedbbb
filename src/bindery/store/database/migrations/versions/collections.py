"""Collections, and what is known of a document beside its chunks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Make the tables, and the columns of chunk sets."""
    with op.batch_alter_table("chunk_sets") as table:
        table.add_column(sa.Column("kind", sa.String(32), nullable=False, server_default=""))
        table.add_column(sa.Column("title", sa.LargeBinary(), nullable=False, server_default=""))
        table.add_column(sa.Column("language", sa.String(16), nullable=False, server_default=""))
    op.create_table(
        "collections",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("created_at", _SECONDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
    )
    op.create_table(
        "generations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("created_at", _SECONDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name="fk_generations_collection_collections"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_generations"),
    )
    op.create_index("ix_generations_collection", "generations", ["collection"])
    _add_files()
    _add_places()


def _add_files() -> None:
    op.create_table(
        "collection_files",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("added_at", _SECONDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name="fk_collection_files_collection_collections"
        ),
        sa.ForeignKeyConstraint(
            ["content"], ["contents.sha256"], name="fk_collection_files_content_contents"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_collection_files"),
        sa.UniqueConstraint("collection", "name", name="uq_collection_files_collection_name"),
    )
    op.create_index("ix_collection_files_source", "collection_files", ["source"])
    op.create_index("ix_collection_files_content", "collection_files", ["content"])


def _add_places() -> None:
    op.create_table(
        "placements",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("file", sa.Integer(), nullable=False),
        sa.Column("chunk_set", sa.LargeBinary(32), nullable=False),
        sa.Column("segment", sa.String(64)),
        sa.ForeignKeyConstraint(
            ["generation"], ["generations.id"], name="fk_placements_generation_generations"
        ),
        sa.ForeignKeyConstraint(
            ["file"], ["collection_files.number"], name="fk_placements_file_collection_files"
        ),
        sa.ForeignKeyConstraint(
            ["chunk_set"], ["chunk_sets.key"], name="fk_placements_chunk_set_chunk_sets"
        ),
        sa.PrimaryKeyConstraint("generation", "file", name="pk_placements"),
    )
    op.create_index("ix_placements_file", "placements", ["file"])
    op.create_index("ix_placements_chunk_set", "placements", ["chunk_set"])
    op.create_table(
        "segments",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation"], ["generations.id"], name="fk_segments_generation_generations"
        ),
        sa.PrimaryKeyConstraint("generation", "name", name="pk_segments"),
    )

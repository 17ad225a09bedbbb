"""Which key has uploaded a file, and which files of a collection each change concerns."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column and the table. Files that are there belong to no limited key."""
    op.add_column("files", sa.Column("owner", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "collection_changes",
        sa.Column(
            "collection",
            sa.String(64),
            sa.ForeignKey(
                "collections.id",
                ondelete="CASCADE",
                name="fk_collection_changes_collection_collections",
            ),
            nullable=False,
        ),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("file", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("collection", "state", "file", name="pk_collection_changes"),
    )

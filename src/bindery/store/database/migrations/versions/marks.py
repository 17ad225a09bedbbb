"""Passages that users marked as right or wrong answers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "marks",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        sa.Column(
            "file",
            sa.Integer(),
            sa.ForeignKey(
                "collection_files.number", ondelete="CASCADE", name="fk_marks_file_collection_files"
            ),
            nullable=False,
        ),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("is_right", sa.Boolean(), nullable=False),
        sa.Column("made_at", _SECONDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_marks"),
    )
    op.create_index("ix_marks_file", "marks", ["file"])

"""What the ids of the chunks of a renamed file are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column. The ids of files that are there are made of their names."""
    op.add_column("collection_files", sa.Column("id_name", sa.LargeBinary()))
    op.create_index("ix_collection_files_id_name", "collection_files", ["id_name"])

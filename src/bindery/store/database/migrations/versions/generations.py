"""When a generation became the active one, and how it compared with the former one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Add the columns. Until now a collection had one generation, active since it was made."""
    with op.batch_alter_table("generations") as table:
        table.add_column(sa.Column("switched_at", _SECONDS))
        table.add_column(sa.Column("report", sa.Text()))
    op.execute("UPDATE generations SET switched_at = created_at")

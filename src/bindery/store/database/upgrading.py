"""Brings a database to the tables of today, in one transaction: killed midway, nothing is done."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from bindery.errors import StorageError

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, found: str | None, name: str) -> None:
    """Run the migrations that a database at revision ``found`` lacks.

    Raises StorageError for a revision of a newer program.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if found is not None:
        _check_known(ScriptDirectory.from_config(config), found, name)
    command.upgrade(config, "head")


def _check_known(scripts: ScriptDirectory, found: str, name: str) -> None:
    try:
        scripts.get_revision(found)
    except CommandError as error:
        raise StorageError(
            f"The database {name} is of a newer Bindery: it is at revision {found[:40]!r}, which "
            "this one does not know.",
            remedy="Install that newer Bindery, or put back the backup from before it.",
        ) from error

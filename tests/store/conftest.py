"""Databases and file stores for the tests: on SQLite, and on PostgreSQL where there is one."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from tests.store.servers import postgresql, postgresql_programs

from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.files import FileStore

_numbers = itertools.count()

OpenStore = Callable[[], FileStore]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a server with an empty database."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL on this machine (Debian's package: postgresql)")
    with postgresql(programs) as address:
        yield address


@pytest.fixture
def new_postgresql(postgresql_server: str) -> str:
    """The address of a schema of its own: a database costs a second and 7 MB."""
    url = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    name = f"test_{next(_numbers)}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    engine.dispose()
    return url.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that is not made yet, of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("new_postgresql")
    return f"sqlite:///{tmp_path / 'home' / 'bindery.db'}"


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[[], Database]]:
    """Opens the database, each time anew, as another process would."""
    opened: list[Database] = []

    def open_it() -> Database:
        opened.append(Database.open(database_url))
        return opened[-1]

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "files"


@pytest.fixture
def open_store(open_database: Callable[[], Database], folder: Path) -> OpenStore:
    """Opens the file store, each time anew."""
    return lambda: FileStore(open_database(), open_blobs("", folder), folder)


@pytest.fixture
def store(open_store: OpenStore) -> FileStore:
    return open_store()

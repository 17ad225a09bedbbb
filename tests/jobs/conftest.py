import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.homes import home_with
from tests.store.conftest import (  # noqa: F401 - fixtures
    database_url,
    new_postgresql,
    postgresql_server,
)

from bindery.faces.python import open_library
from bindery.library import Library
from bindery.settings import read_settings


@pytest.fixture(scope="session")
def library(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library in a home of its own: what is kept in the user's would be found again."""
    home = home_with(minilm_folder, tmp_path_factory.mktemp("jobs") / "home")
    library = open_library(read_settings(os.environ), home=home)
    library.load("vanilla")
    yield library
    library.close()

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.conftest import (  # noqa: F401 - fixtures
    database_url,
    new_postgresql,
    postgresql_server,
)

from bindery.faces.python import open_library
from bindery.library import Library
from bindery.settings import read_settings


@pytest.fixture(scope="session")
def library(minilm_folder: Path) -> Iterator[Library]:
    library = open_library(read_settings(os.environ))
    library.load("vanilla")
    yield library
    library.close()

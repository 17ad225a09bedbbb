"""What several tests share."""

import os
from pathlib import Path

import pytest

from bindery.errors import ModelMissing
from bindery.models.cache import locate
from bindery.models.catalog import CATALOG
from bindery.settings import read_settings


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The verified files of all-MiniLM-L6-v2, where ``make test`` has preloaded them."""
    try:
        return locate(CATALOG["vanilla"], read_settings(os.environ).home)
    except ModelMissing as error:
        pytest.exit(f"The tests need the small model. {error}", returncode=3)

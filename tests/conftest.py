"""What several tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The files of all-MiniLM-L6-v2 as the hub lays them out."""
    return Path(os.environ.get("BINDERY_TEST_MINILM", "/tmp/minilm/model"))

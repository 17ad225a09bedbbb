"""What several tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from bindery.encoders.loading import load_encoder
from bindery.engines import EngineName
from bindery.errors import ModelMissing
from bindery.models.cache import locate
from bindery.models.catalog import CATALOG
from bindery.settings import VARIABLES, read_settings

# How long an example takes says nothing on a busy machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=list(EngineName), help="what every encoder runs on")


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests that name no engine try another one than a user gets by default."""
    if engine := config.getoption("--engine"):
        load_encoder.__kwdefaults__.update(engine=engine, device="cpu")


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The verified files of all-MiniLM-L6-v2, where ``make test`` has preloaded them."""
    try:
        return locate(CATALOG["vanilla"], read_settings(os.environ).home)
    except ModelMissing as error:
        pytest.exit(f"The tests need the small model. {error}", returncode=3)


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of this machine: an empty home and one thread."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BINDERY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BINDERY_THREADS", "1")

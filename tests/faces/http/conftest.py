"""The app over the real model, called in process; and a real server for real clients."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.faces.families import TINY, write_catalog
from tests.faces.http.serving import serving
from tests.homes import home_with

from bindery.faces.http.app import create_app
from bindery.faces.http.examples import ROTATION
from bindery.library import Library
from bindery.models.catalog import read_catalog
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions
from bindery.settings import Settings
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

ADDRESS = "http://127.0.0.1"
UPLOAD_LIMIT_BYTES = 2 << 20


def _settings(home: Path) -> Settings:
    return Settings(
        home=home, precision="f32", upload_limit_bytes=UPLOAD_LIMIT_BYTES, parse_timeout_s=60.0
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A home folder with `vanilla` in it."""
    return home_with(minilm_folder, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return _settings(home)


@pytest.fixture(scope="session")
def library(home: Path) -> Library:
    """The library of the app, which closes it."""
    return Library(home, ModelOptions(precision="f32"))


def some_rotation(library: Library) -> Rotation:
    """A rotation for the model's vectors, fitted on decreasing numbers."""
    card = library.status("vanilla").card
    rows = np.random.default_rng(7).normal(size=(2 * card.dimensions, card.dimensions))
    sample = Embeddings.dense((rows / np.arange(1, card.dimensions + 1)).astype(np.float32))
    return Rotation.fit(sample, model=card.id, revision=card.revision)


@pytest.fixture(scope="session")
def client(library: Library, settings: Settings) -> Iterator[TestClient]:
    """The app, with its model loaded."""
    library.rotations.save(ROTATION, some_rotation(library))
    with TestClient(create_app(library, settings), base_url=ADDRESS) as client:
        assert client.get("/v1/models/vanilla").status_code == 200
        answer = client.post("/embedding/vanilla/generate", json={"chunks": ["warm"]})
        assert answer.status_code == 200
        yield client


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[TestClient]:
    """An app over an empty home: files work, models do not."""
    settings = _settings(tmp_path / "home")
    with TestClient(create_app(Library(settings.home), settings), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def bare_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="session")
def server(home: Path, settings: Settings) -> Iterator[str]:
    """The base address of a real server on this machine."""
    app = create_app(Library(home, ModelOptions(precision="f32")), settings)
    with serving(app) as (_, port):
        yield f"{ADDRESS}:{port}"


@pytest.fixture(scope="session")
def families(
    tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path
) -> Iterator[tuple[TestClient, Library]]:
    """An app with a model of each family, tiny but for `vanilla`, and its library."""
    home = home_with(minilm_folder, tmp_path_factory.mktemp("families"))
    catalog = read_catalog(write_catalog(home / "catalog.toml"))
    library = Library(home, ModelOptions(precision="f32", threads=1), catalog=catalog)
    for name, folder in TINY.items():
        [outcome] = library.preload([name], [FolderSource(folder)], progress=lambda *_: None)
        assert outcome.error is None
    settings = Settings(home=home, precision="f32")
    with TestClient(create_app(library, settings), base_url=ADDRESS) as client:
        yield client, library

"""Collections with the real small model, each test with its own, all in one home."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.homes import home_with
from tests.search.doors import Door, in_python, on_the_command_line, over_http
from tests.search.synthetic import open_synthetic

from bindery.faces.http.app import create_app
from bindery.jobs import FileState, JobRequest, Jobs
from bindery.jobs.recipe import make_recipe
from bindery.jobs.sources import LocalFiles
from bindery.library import Library
from bindery.options import ChunkOptions, SearchOptions
from bindery.search.adding import Addition, AddOptions, AddReport, Run, add_local
from bindery.search.collection import Collection, Collections
from bindery.settings import Settings


class SampleCollection:
    """A collection, and a folder of texts that is added to it."""

    def __init__(
        self,
        library: Library,
        collections: Collections,
        name: str,
        folder: Path,
        chunks: ChunkOptions | None = None,
    ) -> None:
        self.library = library
        self.collections = collections
        self.folder = folder
        recipe = make_recipe(library, JobRequest(("-",), chunks=chunks or ChunkOptions()))
        self.collection: Collection = collections.create(name, recipe)

    def add(self, texts: Mapping[str, str | bytes], **attributes: object) -> None:
        """Write the texts into the folder, and add these files."""
        for name, text in texts.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        files = {f"{self.folder.name}/{name}": self.folder / name for name in texts}
        roots = {self.folder.name: str(self.folder)}
        jobs = Jobs(self.library, source=LocalFiles(files, timeout_s=60, limit_bytes=1 << 30))
        request = self.collection.request(list(files), attributes=attributes, roots=roots)
        job = jobs.submit(request, known=self.collection.chunk_sets())
        jobs.run(job.id)
        failed = [file for file in jobs.files(job.id) if file.state is FileState.FAILED]
        assert not failed, failed

    def add_paths(
        self,
        *paths: Path,
        attributes: Mapping[str, object] | None = None,
        run: Run = Jobs.run,
        **options: object,
    ) -> AddReport:
        """Add paths, by default the folder, as the command line does."""
        wanted = Addition(
            self.collection.name,
            paths or [self.folder],
            JobRequest(("-",)),
            AddOptions(timeout_s=60, **options),
            attributes,
        )
        return add_local(self.collections, wanted, run=run)[1]

    def name(self, file: str) -> str:
        """The name of a file in the collection."""
        return f"{self.folder.name}/{file}"

    def found(self, query: str, collection: Collection | None = None, **options: object) -> list:
        """The names of the files that are found, best first, as they are in the folder."""
        answer = (collection or self.collection).search(query, SearchOptions(**options))
        return [hit.file.removeprefix(f"{self.folder.name}/") for hit in answer.hits]


@pytest.fixture(scope="session")
def library(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    library = Library(home_with(minilm_folder, tmp_path_factory.mktemp("home") / "home"))
    library.load("vanilla")
    yield library
    library.close()


@pytest.fixture(scope="session")
def collections(library: Library) -> Collections:
    return Collections(library)


@pytest.fixture(scope="session")
def environment(library: Library) -> dict[str, str | None]:
    """What commands need to work in the home of the tests, and nothing of this machine."""
    return {"BINDERY_HOME": str(library.home), "BINDERY_PRECISION": None, "COLUMNS": "100"}


@pytest.fixture(scope="session")
def client(library: Library) -> Iterator[TestClient]:
    """A server on the same home, with its own library."""
    settings = Settings(home=library.home)
    app = create_app(Library(library.home), settings)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="session")
def doors(
    collections: Collections,
    client: TestClient,
    environment: dict[str, str | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Door]:
    """Every door to a search."""
    return {
        "python": in_python(collections),
        "http": over_http(client),
        "cli": on_the_command_line(environment, tmp_path_factory.mktemp("queries")),
    }


@pytest.fixture
def sample(
    library: Library, collections: Collections, tmp_path: Path, new_name
) -> SampleCollection:
    folder = tmp_path / "texts"
    folder.mkdir()
    return SampleCollection(library, collections, new_name(), folder)


@pytest.fixture(scope="session")
def new_name() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"collection {next(numbers)}"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Library]:
    """A library without a model, with a home of its own."""
    library = Library(tmp_path / "home")
    yield library
    library.close()


@pytest.fixture
def collection(home: Library) -> Collection:
    """A collection whose vectors follow from its texts."""
    return open_synthetic(home)

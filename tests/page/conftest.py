"""The page in Chromium: `make test-page` has Playwright, and CHROMIUM names another browser."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from tests.faces.http.conftest import some_rotation
from tests.faces.http.serving import serving
from tests.homes import home_with
from tests.page.files import FILES

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.settings import Settings

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; the tests are skipped without it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="run them with: make test-page")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("There is no Chromium: install it, or name it in CHROMIUM.")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=[*FLAGS])
        yield browser
        browser.close()


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The address of a server of a home folder."""
    settings = Settings(home=home, precision="f32", parse_timeout_s=60.0)
    library = Library(home, ModelOptions(precision="f32"))
    library.rotations.save("papers", some_rotation(library))
    with serving(create_app(library, settings)) as (_, port):
        yield f"http://127.0.0.1:{port}"


def api(address: str, path: str, body: Any = None) -> Any:
    """What the API answers, to a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(address + path, data, {"content-type": "application/json"})) as answer:
        return json.load(answer)


class Visit:
    """A tab, with all requests that it made and everything that went wrong in it."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.tab = self.context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def add(self, files: Sequence[Any]) -> None:
        """Choose files on the page and wait until all of them are over."""
        self.tab.set_input_files('input[aria-label="Files to add"]', [*files])
        self.tab.wait_for_selector("text=Ask them something", timeout=120_000)

    def others(self, address: str) -> list[str]:
        """The requests that left the server."""
        own = (address, "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(own)]


def parameters(visit: Visit) -> dict[str, list[str]]:
    """Those of the address of a tab."""
    return parse_qs(urlsplit(visit.tab.url).query)


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """A tab of its own, which must end without an error of a script."""
    visit = Visit(chromium, viewport={"width": 1200, "height": 800})
    yield visit
    visit.context.close()
    assert visit.errors == []


@pytest.fixture(scope="session")
def address(
    tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path, chromium: Any
) -> Iterator[str]:
    """A server that has the files."""
    with served(home_with(minilm_folder, tmp_path_factory.mktemp("page"))) as url:
        visit = Visit(chromium)
        visit.tab.goto(url)
        visit.add(FILES)
        visit.context.close()
        yield url


@pytest.fixture
def empty(tmp_path: Path, minilm_folder: Path) -> Iterator[str]:
    """A server whose home has the small model and no documents."""
    with served(home_with(minilm_folder, tmp_path / "home")) as url:
        yield url

"""The checks of ``-m hub`` themselves, on tiny random models and a hub on this machine."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from bindery.encoders.loading import load_encoder
from bindery.errors import ModelBroken, SourceError
from bindery.models.card import CatalogEntry, Release
from bindery.models.catalog import CATALOG, DEFAULT_MODELS
from bindery.models.hub import HubSource
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions
from bindery.vectors.scoring import maxsim

from .checks import (
    PLANETS,
    PUBLISHED,
    Published,
    check_published,
    check_row,
    check_sense,
    fetched,
)

GOLDEN = Path(__file__).parent.parent / "golden"
REVISION = "0123456789abcdef0123456789abcdef01234567"
FOLDERS = {
    "bge": GOLDEN / "tiny" / "bge",
    "gemma": GOLDEN / "matryoshka",
    "stanford": GOLDEN / "late" / "stanford",
    "pylate": GOLDEN / "late" / "pylate",
}


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubSource]:
    """A hub that has the tiny models, at the addresses of a real one."""
    root = tmp_path_factory.mktemp("hub")
    for name, folder in FOLDERS.items():
        copytree(folder, root / "nobody" / name / "resolve" / REVISION)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=root))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield HubSource(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _row(name: str) -> CatalogEntry:
    folder = FOLDERS[name]
    card = read_layout(folder).card
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    card = replace(card, id=f"tiny-{name}", repository=f"nobody/{name}", revision=REVISION)
    return CatalogEntry(card, Release(card.repository, REVISION, dict.fromkeys(files)))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_row_that_agrees_passes(name, hub, tmp_path):
    row = _row(name)
    folder = fetched(row, tmp_path, hub)
    assert fetched(row, tmp_path, hub) == folder
    check_row(row, folder)


@pytest.mark.parametrize("name", ["bge", "pylate"])
def test_a_row_that_disagrees_does_not_pass(name, hub, tmp_path):
    row = _row(name)
    folder = fetched(row, tmp_path, hub)
    wrong = replace(row, card=replace(row.card, max_tokens=row.card.max_tokens - 1))
    with pytest.raises(ModelBroken, match="max_tokens"):
        check_row(wrong, folder)


def test_only_the_right_scores_pass(hub, tmp_path):
    folder = fetched(_row("stanford"), tmp_path, hub)
    with pytest.raises(AssertionError) as caught:
        check_published(folder, Published(*PLANETS, [0.0] * 4, 1e-6))
    assert "Not equal to tolerance" in str(caught.value)

    encoder = load_encoder(read_layout(folder), ModelOptions(precision="f32"))
    query, documents = PLANETS
    right = maxsim(encoder.encode([query], "query"), encoder.encode(documents, "document"))[0]
    encoder.close()
    check_published(folder, Published(query, documents, np.asarray(right).tolist(), 1e-3))


def test_what_the_hub_lacks_fails_the_check(hub, tmp_path):
    row = _row("bge")
    gone = replace(row, card=replace(row.card, repository="nobody/gone"),
                   release=replace(row.release, repository="nobody/gone"))  # fmt: skip
    with pytest.raises(SourceError, match="404"):
        fetched(gone, tmp_path, hub)


def test_the_one_model_that_is_here_passes(minilm_folder):
    (published,) = PUBLISHED["vanilla"]
    check_sense(CATALOG["vanilla"], minilm_folder)
    check_published(minilm_folder, published)


def test_scores_are_published_for_rows_and_for_every_default():
    assert set(PUBLISHED) <= set(CATALOG)
    assert set(DEFAULT_MODELS) <= set(PUBLISHED)

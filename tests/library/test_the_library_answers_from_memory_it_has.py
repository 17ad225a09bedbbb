"""The library over real models: several within a budget, and a cache before them."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.encoders.fault_server import FaultServer
from tests.encoders.remote_rows import KEY, entry
from tests.library.letters import Letters

from bindery.encoders.pending import Cancellation
from bindery.encoders.request import EncodeRequest
from bindery.engines import Precision
from bindery.engines.footprint import footprint
from bindery.errors import (
    Abandoned,
    BinderyError,
    DeadlineExceeded,
    EngineError,
    InvalidValue,
    ModelTooLarge,
    TextTooLong,
)
from bindery.faces.http.background import Warmup
from bindery.library import Library, ModelState
from bindery.library.loading import status_of
from bindery.models.card import CatalogEntry, Release
from bindery.models.layouts import read_layout
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions, VectorOptions
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

GOLDEN = Path(__file__).parent.parent / "golden"
FOLDERS = {
    "first": GOLDEN / "tiny" / "bge",
    "second": GOLDEN / "tiny" / "gte",
    "late": GOLDEN / "late" / "stanford",
}
REVISION = "0123456789abcdef0123456789abcdef01234567"
TEXTS = ["loose paper is fragile", "a spine", "loose paper is fragile", "", "a shelf " * 9]
# Of one model, for room.
BYTES = max(
    footprint(folder, ModelOptions(precision=Precision.FLOAT32, threads=1))
    for folder in FOLDERS.values()
)


def row(model_id: str) -> CatalogEntry:
    folder = FOLDERS[model_id]
    own = {"id": model_id, "repository": f"nobody/{model_id}", "revision": REVISION}
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    release = Release(own["repository"], REVISION, dict.fromkeys(sorted(files)))
    return CatalogEntry(replace(read_layout(folder).card, **own), release)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three models."""
    home = tmp_path_factory.mktemp("home")
    for name, folder in FOLDERS.items():
        library = Library(home, catalog={name: row(name)})
        [outcome] = library.preload([name], [FolderSource(folder)], progress=lambda *_: None)
        assert outcome.error is None
    return home


@pytest.fixture
def opened(home: Path) -> Iterator[list[Library]]:
    """Those that a test opens are closed after it."""
    libraries: list[Library] = []
    yield libraries
    for library in libraries:
        library.close()


def open_library(home: Path, opened: list[Library], **settings: object) -> Library:
    catalog = {name: row(name) for name in FOLDERS}
    opened.append(
        Library(home, ModelOptions(precision="f32", threads=1), catalog=catalog, **settings)
    )
    return opened[-1]


def states(library: Library) -> dict[str, tuple[ModelState, bool]]:
    return {
        status.card.id: (status.state, status.unloaded)
        for status in library.statuses()
        if status.card.id in FOLDERS
    }


# Within a budget


def test_models_make_room_for_each_other_and_answer_as_if_they_had_all(home, opened) -> None:
    all_of_it = open_library(home, opened)
    library = open_library(home, opened, memory_budget_bytes=2 * BYTES)
    waiting, loaded, gone = (
        (ModelState.PRESENT, False),
        (ModelState.LOADED, False),
        (ModelState.PRESENT, True),
    )
    assert states(library) == dict.fromkeys(FOLDERS, waiting)

    for _ in range(2):
        for name in FOLDERS:
            _, encoded = library.embed(name, TEXTS)
            expected = all_of_it.embed(name, TEXTS)[1]
            assert np.allclose(encoded.embeddings.rows, expected.embeddings.rows, atol=1e-5)
            assert 0 < library.figures().loaded_bytes <= 2 * BYTES
    assert states(library) == {"first": gone, "second": loaded, "late": loaded}
    assert library.figures().unloadings == 4
    assert all_of_it.figures().unloadings == 0
    library.load("first")
    assert states(library) == {"first": loaded, "second": gone, "late": loaded}
    library.close()
    assert states(library) == dict.fromkeys(FOLDERS, waiting)
    assert library.figures().loaded_bytes == 0


def test_of_more_models_than_fit_a_server_begins_with_the_first(home, opened) -> None:
    library = open_library(home, opened, memory_budget_bytes=2 * BYTES)
    warmup = Warmup(library)
    warmup.start()
    warmup.wait()
    gc.unfreeze()
    assert states(library) == {
        "first": (ModelState.LOADED, False),
        "second": (ModelState.LOADED, False),
        "late": (ModelState.PRESENT, True),
    }


def test_no_request_ever_meets_a_model_that_was_unloaded(home, opened) -> None:
    library = open_library(home, opened, memory_budget_bytes=2 * BYTES)
    expected = {name: library.embed(name, TEXTS)[1] for name in FOLDERS}
    start = threading.Barrier(6)

    def ask(seed: int) -> None:
        chance = np.random.default_rng(seed)
        start.wait()
        for _ in range(12):
            name = str(chance.choice(list(FOLDERS)))
            if chance.random() < 0.3:
                assert len(library.rerank(name, "paper", TEXTS)[1].ranked) == len(TEXTS)
                continue
            pending = library.submit(name, EncodeRequest(TEXTS))
            encoder, encoded = pending.result()
            assert encoder.card.id == name
            rows = expected[name].embeddings.rows
            assert np.allclose(encoded.embeddings.rows, rows, atol=1e-5)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))
    assert library.figures().unloadings > 3


def test_what_was_handed_out_stays_loaded(home, opened) -> None:
    library = open_library(home, opened, memory_budget_bytes=2 * BYTES)
    kept = library.encoder("first")
    with library.lend("second") as second:
        with pytest.raises(DeadlineExceeded):
            library.embed("late", TEXTS, cancellation=Cancellation.within(0.05))
        assert len(second.encode(TEXTS, "document")) == len(TEXTS)

    library.load("late")
    assert len(kept.encode(TEXTS, "document")) == len(TEXTS)
    with pytest.raises(EngineError, match="closed"):
        second.encode(TEXTS, "document")
    assert library.encoder("first") is kept


def test_a_model_beyond_the_budget_is_refused_and_says_so(home, opened) -> None:
    library = open_library(home, opened, memory_budget_bytes=BYTES // 2)

    for _ in range(2):
        with pytest.raises(ModelTooLarge, match=r"'first' needs [\d,]+ MB") as caught:
            library.embed("first", TEXTS)
        assert "budget" in caught.value.remedy
        status = library.status("first")
        assert (status.state, status.error) == (ModelState.REFUSED, caught.value)


def test_an_error_gives_the_model_back(home, opened) -> None:
    library = open_library(home, opened, memory_budget_bytes=BYTES)
    cancelled = Cancellation()
    cancelled.cancel()
    wrong = [
        ({"options": VectorOptions("nonsense")}, InvalidValue),
        ({"options": VectorOptions(rotation="nowhere")}, BinderyError),
        ({"options": VectorOptions(truncate="error"), "texts": ["word " * 999]}, TextTooLong),
        ({"cancellation": cancelled}, Abandoned),
    ]
    for arguments, error in wrong:
        with pytest.raises(error):
            library.embed("first", **({"texts": TEXTS} | arguments))
    for arguments, error in (
        ({"top_n": 0}, InvalidValue),
        ({"cancellation": cancelled}, Abandoned),
    ):
        with pytest.raises(error):
            library.rerank("first", "paper", TEXTS, **arguments)

    library.load("second")
    assert states(library)["first"] == (ModelState.PRESENT, True)


def test_a_model_that_does_not_answer_says_why() -> None:
    model = Letters()
    model.fault = None
    assert status_of(model).state is ModelState.LOADED
    model.fault = "Its worker hangs."

    status = status_of(model)

    assert status.state is ModelState.FAILING
    assert isinstance(status.error, EngineError)
    assert "Its worker hangs." in status.error.message


# With a cache


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_known_is_the_first_answer_again(name, home, opened) -> None:
    library = open_library(home, opened, cache_bytes=1 << 20)
    first = library.embed(name, TEXTS)[1]

    again = library.embed(name, TEXTS)[1]
    turned_about = library.embed(name, TEXTS[::-1])[1]
    other_owner = library.embed(name, TEXTS, owner="somebody")[1]

    assert again.embeddings.rows.tobytes() == first.embeddings.rows.tobytes()
    assert again.embeddings.offsets.tolist() == first.embeddings.offsets.tolist()
    for one, other in zip(range(len(TEXTS)), reversed(range(len(TEXTS))), strict=True):
        assert (turned_about.embeddings[one] == first.embeddings[other]).all()
    assert turned_about.tokens_used.tolist() == first.tokens_used.tolist()[::-1]
    assert np.allclose(other_owner.embeddings.rows, first.embeddings.rows, atol=1e-5)
    figures = library.figures().cache
    assert (figures.misses, figures.entries) == (2 * len(set(TEXTS)),) * 2
    assert figures.hits == 4 * len(TEXTS) - figures.misses
    library.close()
    assert library.figures().cache.bytes == 0
    uncached = open_library(home, opened)
    uncached.embed(name, TEXTS)
    assert uncached.figures().cache.misses == 0


def test_a_rotation_fitted_anew_turns_what_is_known_anew(home, opened) -> None:
    library = open_library(home, opened, cache_bytes=1 << 20)
    full = library.embed("first", TEXTS)[1].embeddings
    for seed in (1, 2):
        sample = np.random.default_rng(seed).normal(size=(80, full.width)).astype(np.float32)
        turn = Rotation.fit(Embeddings.dense(sample), model="first", revision=REVISION)
        if seed > 1:
            library.rotations.delete("turn")
        library.rotations.save("turn", turn)
        for dimensions in (None, 7):
            _, encoded = library.embed(
                "first", TEXTS, VectorOptions(rotation="turn", dimensions=dimensions)
            )
            expected = turn.apply(full)
            if dimensions:
                expected = expected.cut(dimensions)
            assert encoded.embeddings.rows.tobytes() == expected.rows.tobytes()

    assert library.figures().cache.misses == len(set(TEXTS))


def test_a_vendor_is_not_asked_twice(home, opened) -> None:
    with FaultServer() as server:
        library = Library(
            home, catalog={"far": entry(server)}, keys={KEY.name: KEY}, cache_bytes=1 << 20
        )
        opened.append(library)
        texts = ["a", "b", "a"]
        first = library.embed("far", texts)[1]
        again = library.embed("far", [*texts, "c"])[1]

        assert [len(seen.body["input"]) for seen in server.seen] == [2, 1]
    assert (again.embeddings.rows[:3] == first.embeddings.rows).all()
    assert (again.embeddings.rows[0] == again.embeddings.rows[2]).all()
    assert first.tokens_billed > again.tokens_billed > 0
    assert library.embed("far", texts)[1].total_tokens == 0

"""The library: what state its models are in, and the way from a file to vectors."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.chunking.strategies import STRATEGIES, named_for, needs_grammars
from tests.engines.checkpoints import TINY
from tests.homes import home_with

from bindery.errors import (
    BinderyError,
    BrokenDocument,
    EngineError,
    InvalidValue,
    ModelBroken,
    ModelMissing,
    ParseTimeout,
    SelfTestFailed,
    StorageError,
    UnknownFile,
    UnknownModel,
    UnknownStrategy,
)
from bindery.library import Library, ModelState
from bindery.models.cache import model_folder
from bindery.models.card import CatalogEntry, Release
from bindery.models.catalog import CATALOG
from bindery.models.layouts import read_layout
from bindery.models.preload import State
from bindery.models.sources import FolderSource
from bindery.options import ChunkOptions, ModelOptions
from bindery.types import BLOCK_KINDS, Document

SOURCE = TINY / "e5"  # a window of 64, and a prompt before documents
OPTIONS = ModelOptions(precision="f32", threads=1)


def entry_of_e5(model_id: str = "small") -> CatalogEntry:
    """A row of the catalog for the tiny checkpoint, whatever it is called."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    card = replace(
        read_layout(SOURCE).card, id=model_id, repository="nobody/small", revision=revision
    )
    files = sorted(str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*") if p.is_file())
    return CatalogEntry(card, Release("nobody/small", revision, dict.fromkeys(files)))


def open_library(home: Path, model_id: str = "small", **options: object) -> Library:
    catalog = {model_id: entry_of_e5(model_id)}
    return Library(home, replace(OPTIONS, **options), catalog=catalog)


def silent(model: str, file: str, done: int, total: int | None) -> None:
    del model, file, done, total


def preload(library: Library, model_id: str = "small", *, force: bool = False) -> State:
    [outcome] = library.preload([model_id], [FolderSource(SOURCE)], progress=silent, force=force)
    return outcome.state


def spoil(home: Path, name: str = "model.safetensors", model_id: str = "small") -> None:
    """Flip one bit of one file of the model."""
    path = model_folder(entry_of_e5(model_id), home) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """A fresh home with no model in it."""
    library = open_library(tmp_path)
    yield library
    library.close()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A home with the small model in it."""
    library = open_library(tmp_path_factory.mktemp("home"))
    preload(library)
    yield library
    library.close()


# Models


def states(library: Library) -> dict[str, ModelState]:
    return {status.card.id: status.state for status in library.statuses()}


def test_every_model_has_a_state_in_the_catalogs_order(library: Library) -> None:
    expected = dict.fromkeys([*CATALOG, "small"], ModelState.MISSING)
    assert list(states(library)) == list(expected) == list(library.catalog)
    assert states(library) == expected

    assert preload(library) is State.FETCHED
    assert states(library) == expected | {"small": ModelState.PRESENT}
    library.encoder("small")
    assert states(library) == expected | {"small": ModelState.LOADED}
    assert library.status("small").error is None
    library.close()
    assert states(library) == expected | {"small": ModelState.PRESENT}


CALLS: dict[str, Callable[[Library, str], object]] = {
    "encoder": lambda library, model: library.encoder(model),
    "measure": lambda library, model: library.measure(model),
    "chunk": lambda library, model: library.chunk(Document("a", "text", "a"), model_id=model),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_model_says_how_to_get_it(call: Callable, library: Library) -> None:
    for model_id in ("vanilla", "small"):
        with pytest.raises(ModelMissing, match=f"'{model_id}' is not on this machine") as caught:
            call(library, model_id)
        assert caught.value.remedy == f"Run `bindery preload {model_id}`."
        error = library.status(model_id).error
        assert error is not None
        assert error.remedy == caught.value.remedy


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_model_is_found_as_soon_as_it_is_there(call: Callable, library: Library) -> None:
    with pytest.raises(ModelMissing):
        call(library, "small")
    preload(library)
    assert call(library, "small")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("model_id", ["", "Vanila", "../vanilla", "sentence-transformers/x"])
def test_an_unknown_model_is_told_the_known_ones(
    call: Callable, model_id: str, library: Library
) -> None:
    with pytest.raises(UnknownModel, match=f"'{model_id}'") as caught:
        call(library, model_id)
    assert caught.value.remedy.endswith(f"Known: {', '.join([*CATALOG, 'small'])}.")
    assert caught.value.param == "model"
    with pytest.raises(UnknownModel):
        library.status(model_id)
    with pytest.raises(UnknownModel):
        library.preload(["small", model_id], [FolderSource(SOURCE)], progress=silent)
    assert library.status("small").state is ModelState.MISSING, "nothing is fetched before it"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("model_id", ["gemma", "colbert"])
def test_a_model_that_is_not_here_says_how_to_get_it(
    call: Callable, model_id: str, library: Library
) -> None:
    with pytest.raises(ModelMissing) as caught:
        call(library, model_id)
    assert f"bindery preload {model_id}" in str(caught.value)


def test_a_model_is_loaded_once_for_all_callers(tmp_path: Path) -> None:
    library = open_library(tmp_path)
    preload(library)

    with ThreadPoolExecutor(8) as pool:
        encoders = list(pool.map(lambda _: library.encoder("small"), range(8)))

    assert len({id(encoder) for encoder in encoders}) == 1
    assert encoders[0].card.id == "small"
    library.close()
    with pytest.raises(EngineError, match="closed"):
        encoders[0].encode(["a"], "document")
    again = library.encoder("small")
    assert again is not encoders[0]
    assert len(again.encode(["a"], "document")) == 1
    library.close()


def refusal(library: Library, model_id: str = "small") -> BinderyError:
    with pytest.raises(BinderyError) as caught:
        library.encoder(model_id)
    return caught.value


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_broken_model_is_refused_until_it_is_fetched_again(name: str, tmp_path: Path) -> None:
    preload(open_library(tmp_path))
    spoil(tmp_path, name)
    library = open_library(tmp_path)

    first = refusal(library)

    assert isinstance(first, ModelBroken)
    assert name in first.message
    spoil(tmp_path, name)  # good again, but nobody has looked
    for _ in range(3):
        assert refusal(library).code == "model_broken"
        status = library.status("small")
        assert (status.state, status.error) == (ModelState.REFUSED, first)
        with pytest.raises(ModelBroken):
            library.measure("small")
    preload(library)
    assert library.status("small").state is ModelState.PRESENT
    assert len(library.encoder("small").encode(["a"], "document")) == 1
    library.close()


def test_files_fetched_anew_are_read_anew(tmp_path: Path) -> None:
    library = open_library(tmp_path)
    preload(library)
    measure = library.measure("small")
    spoil(tmp_path)

    assert preload(library) is State.FETCHED
    assert library.measure("small") is not measure


def test_a_model_with_the_wrong_numbers_is_refused(tmp_path: Path) -> None:
    """Our tiny model, called by the name of one whose numbers are known."""
    library = open_library(tmp_path, "vanilla")
    preload(library, "vanilla")
    assert library.status("vanilla").state is ModelState.PRESENT

    for _ in range(2):
        assert isinstance(refusal(library, "vanilla"), SelfTestFailed)
        assert library.status("vanilla").state is ModelState.REFUSED
    preload(library, "vanilla", force=True)
    assert library.status("vanilla").state is ModelState.PRESENT, "it is given another chance"
    assert isinstance(refusal(library, "vanilla"), SelfTestFailed)


def test_options_are_checked_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as caught:
        open_library(tmp_path, threads=0)
    assert caught.value.param == "threads"

    library = open_library(tmp_path, precision="f16")
    preload(library)
    with pytest.raises(InvalidValue) as caught:
        library.encoder("small")
    assert caught.value.param == "precision"


# Chunks


TEXT = "\n\n".join(
    f"## Part {n}\n\nLoose paper is fragile; it gets lost. " + "On a shelf it has a place! " * n
    for n in range(1, 12)
)
DOCUMENT = Document(TEXT, "text", "a.md")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("overlap", [0, 7])
def test_no_chunk_is_cut_by_the_model(strategy: str, overlap: int, ready: Library) -> None:
    document = named_for(strategy, DOCUMENT)
    chunks = ready.chunk(
        document, ChunkOptions(strategy=strategy, overlap=overlap), model_id="small"
    )

    encoder = ready.encoder("small")
    room = encoder.tokeniser.room("document")
    assert room == 64 - 2 - 2  # special tokens and prompt
    assert len(chunks) > 5
    assert max(chunk.tokens for chunk in chunks) > 0.5 * room
    encoded = encoder.encode_counted([chunk.text for chunk in chunks], "document")
    assert not encoded.tokens_cut.any()
    assert [chunk.text for chunk in chunks] == [DOCUMENT.quote(chunk.span) for chunk in chunks]
    counted = encoder.tokeniser.count_tokens([chunk.text for chunk in chunks])
    assert [chunk.tokens for chunk in chunks] == counted


def test_what_was_measured_is_what_the_encoder_says(ready: Library) -> None:
    measure, encoder = ready.measure("small"), ready.encoder("small")

    assert measure.card == encoder.card
    assert measure.room == encoder.tokeniser.room("document")
    assert measure.tokeniser.count_tokens([TEXT]) == encoder.tokeniser.count_tokens([TEXT])
    assert ready.measure("small") is measure


def test_a_size_may_be_chosen(ready: Library) -> None:
    chunks = ready.chunk(DOCUMENT, ChunkOptions(size=12), model_id="small")

    assert max(chunk.tokens for chunk in chunks) <= 12


def test_a_document_without_text_has_no_chunks(ready: Library) -> None:
    assert ready.chunk(Document(" \n ", "text", "a"), model_id="small") == []


@needs_grammars
def test_a_program_is_divided_within_the_time_that_is_allowed(ready: Library) -> None:
    slow = Document("<<E\n" * 50_000, "code", "a.sh")
    with pytest.raises(ParseTimeout, match=r"0\.3 s"):
        ready.chunk(slow, ChunkOptions(strategy="code"), model_id="small", parse_timeout_s=0.3)


def test_an_unknown_strategy_is_told_the_known_ones(ready: Library) -> None:
    with pytest.raises(UnknownStrategy, match="'by-page'") as caught:
        ready.chunk(DOCUMENT, ChunkOptions(strategy="by-page"), model_id="small")
    assert "recursive" in caught.value.remedy


# Files


def upload(library: Library, content: bytes, name: str) -> str:
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(content)
        return incoming.keep(name).id


def test_from_a_file_to_vectors(ready: Library, tmp_path: Path) -> None:
    file_id = upload(ready, TEXT.encode(), "shelves.md")

    with ready.files.as_path(file_id) as path:
        later = open_library(Path(shutil.copytree(path.parents[1], tmp_path / "h")))
    document = later.read_file(file_id)
    chunks = later.chunk(document, model_id="small")
    vectors = later.encoder("small").encode([chunk.text for chunk in chunks], "document")

    assert (document.kind, document.name) == ("markdown", "shelves.md")
    assert {block.kind for block in document.blocks} <= set(BLOCK_KINDS)
    assert "Loose paper is fragile" in document.text
    assert vectors.rows.shape == (len(chunks), 32)
    assert np.abs(np.linalg.norm(vectors.rows, axis=1) - 1).max() <= 1e-5
    later.close()


def test_a_file_that_cannot_be_read_says_why(ready: Library) -> None:
    broken = upload(ready, b"%PDF-1.7 nothing more", "../a.pdf")

    with pytest.raises(BrokenDocument, match=r"\.\./a\.pdf"):
        ready.read_file(broken)
    with pytest.raises(UnknownFile):
        ready.read_file("0" * 64)


def test_a_file_whose_content_is_gone_is_the_stores_fault(ready: Library) -> None:
    file_id = upload(ready, b"# Shelf", "shelf.md")
    with ready.files.as_path(file_id) as path:
        path.unlink()

    with pytest.raises(StorageError, match="content of the file is missing"):
        ready.read_file(file_id)


# The real model


def test_the_default_is_the_recursive_strategy_for_vanilla(
    minilm_folder: Path, tmp_path: Path
) -> None:
    library = Library(home_with(minilm_folder, tmp_path), ModelOptions(precision="f32"))
    document = Document(TEXT * 4, "text", "a.md")

    chunks = library.chunk(document)

    assert library.measure("vanilla").room == 254
    assert chunks == library.chunk(
        document, ChunkOptions(strategy="recursive", size=128), model_id="vanilla"
    )
    encoded = library.encoder("vanilla").encode_counted([c.text for c in chunks], "document")
    assert not encoded.tokens_cut.any()
    assert encoded.tokens_used.max() <= 256
    library.close()

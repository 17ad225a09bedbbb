"""What is asked of a model for chunks, and what strategies ask of it on the way."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.homes import home_with

from bindery.chunking import CHUNKERS
from bindery.encoders import Encoded, Encoder
from bindery.encoders.request import SpannedText, SpansRequest, chunks_request
from bindery.errors import InvalidValue
from bindery.library import Library
from bindery.options import ChunkOptions, ModelOptions, VectorOptions
from bindery.types import Chunk, Document
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

TEXT = (
    "# Birds\n\nA heron stands in the water. It waits for fish. The heron flies slowly.\n\n"
    "# Engines\n\nA turbine turns a shaft. Steam drives the turbine. The shaft drives a generator."
)
DOCUMENT = Document(TEXT, "markdown", "birds.md")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Iterator[Library]:
    home = home_with(minilm_folder, tmp_path_factory.mktemp("home"))
    library = Library(home, ModelOptions(precision="f32"), cache_bytes=1 << 20)
    yield library
    library.close()


def embedded(
    library: Library,
    chunks: list[Chunk],
    late_in: Document | None = None,
    options: VectorOptions = VectorOptions(),
) -> tuple[Encoder, Encoded]:
    return library.submit("vanilla", chunks_request(chunks, options, late_in=late_in)).result()


@pytest.mark.parametrize("strategy", [name for name in CHUNKERS if name not in ("late", "code")])
def test_each_chunk_is_a_text_with_its_context_before_it(library: Library, strategy: str) -> None:
    chunks = library.chunk(DOCUMENT, ChunkOptions(strategy=strategy, size=24, context="headings"))
    assert any(chunk.context for chunk in chunks)
    encoder, found = embedded(library, chunks)
    texts = [chunk.context + chunk.text for chunk in chunks]
    expected = encoder.encode_counted(texts, "document")
    assert np.abs(found.embeddings.rows - expected.embeddings.rows).max() < 1e-6
    assert found.tokens_used.tolist() == expected.tokens_used.tolist()


def test_late_chunks_are_cut_as_recursive_and_read_in_the_document(library: Library) -> None:
    chunks = library.chunk(DOCUMENT, ChunkOptions(strategy="late", size=12))
    assert [c.span for c in chunks] == [
        c.span for c in library.chunk(DOCUMENT, ChunkOptions(size=12))
    ]
    encoder, found = embedded(library, chunks, DOCUMENT)
    spanned = SpannedText(TEXT, tuple(chunk.span for chunk in chunks))
    expected = encoder.submit_spans(SpansRequest([spanned])).result()
    assert (found.embeddings.rows == expected.embeddings.rows).all()
    alone = encoder.encode([chunk.text for chunk in chunks], "document").rows
    assert (np.abs(found.embeddings.rows - alone).max(axis=1) > 0.01).all()


def test_shorter_vectors_of_late_chunks_are_cut_as_others(library: Library) -> None:
    chunks = library.chunk(DOCUMENT, ChunkOptions(strategy="late", size=12))
    options = VectorOptions(dimensions=64, any_dimensions=True)
    _, full = embedded(library, chunks, DOCUMENT)
    _, short = embedded(library, chunks, DOCUMENT, options)
    assert np.abs(short.embeddings.rows - full.embeddings.cut(64).rows).max() < 1e-6


def test_no_chunks_have_no_vectors(library: Library) -> None:
    empty = Document("", "text", "empty")
    for late_in in (empty, None):
        _, found = embedded(library, [], late_in)
        assert found.embeddings.rows.shape == (0, 384)


def test_late_chunks_take_no_context(library: Library) -> None:
    chunks = library.chunk(DOCUMENT, ChunkOptions(size=24, context="headings"))
    with pytest.raises(InvalidValue, match="does not support context") as caught:
        embedded(library, chunks, DOCUMENT)
    assert caught.value.param == "context"


def test_semantic_cuts_where_the_subject_changes_and_tells_what_it_cost(library: Library) -> None:
    text = " ".join(line for line in TEXT.split("\n") if line and not line.startswith("#"))
    document = Document(text, "text", "birds.txt")
    spent: list[int] = []
    chunks = library.chunk(
        document, ChunkOptions(strategy="semantic", size=24), when_embedded=spent.append
    )
    assert [chunk.span.start for chunk in chunks] == [0, text.index("A turbine")]
    sentences = [f"{part}." for part in text.rstrip(".").split(". ")]
    counted = library.encoder("vanilla").encode_counted(sentences, "document")
    assert sum(spent) == counted.total_tokens

    library.chunk(document, ChunkOptions(size=24), when_embedded=spent.append)
    assert len(spent) == 1


def test_a_rotation_turns_late_chunks_too(library: Library) -> None:
    card = library.status("vanilla").card
    sample = Embeddings.dense(np.random.default_rng(7).normal(size=(800, 384)).astype(np.float32))
    library.rotations.save("turn", Rotation.fit(sample, model=card.id, revision=card.revision))
    chunks = library.chunk(DOCUMENT, ChunkOptions(strategy="late", size=12))
    _, full = embedded(library, chunks, DOCUMENT)
    options = VectorOptions(rotation="turn", dimensions=100)
    _, turned = embedded(library, chunks, DOCUMENT, options)
    expected = library.rotations.get("turn").apply(full.embeddings).cut(100)
    assert np.abs(turned.embeddings.rows - expected.rows).max() < 1e-5

"""The title of a document goes before its chunks in the vectors of a collection of many files."""

from pathlib import Path

import pytest

from bindery.encoders.checks import prompts_of
from bindery.encoders.request import chunks_request, has_title_slot
from bindery.jobs import JobRequest
from bindery.models.catalog import CATALOG
from bindery.options import ChunkOptions, SearchOptions, VectorOptions
from bindery.search.adding import FILES_WITH_TITLES, Addition, add_local
from bindery.types import Chunk, Span


@pytest.fixture
def opened(collections, new_name, tmp_path: Path):
    """Makes a collection for a number of files, and opens it again with the same name."""

    def open_one(files: int, chunks: ChunkOptions | None = None, name: str = ""):
        for number in range(files):
            (tmp_path / f"{number}.txt").write_text(f"Paper {number}.")
        request = JobRequest(("-",), chunks=chunks or ChunkOptions())
        named = name or new_name()
        return add_local(collections, Addition(named, [tmp_path], request))[0]

    return open_one


@pytest.mark.parametrize(
    ("files", "chosen", "context"),
    [
        (FILES_WITH_TITLES, "auto", "title"),
        (FILES_WITH_TITLES - 1, "auto", "none"),
        (1, "auto", "none"),
        (FILES_WITH_TITLES, "none", "none"),
        (FILES_WITH_TITLES, "headings", "headings"),
        (1, "title", "title"),
    ],
)
def test_the_number_of_files_chooses_unless_somebody_does(opened, files, chosen, context):
    collection = opened(files, ChunkOptions(context=chosen))
    assert collection.facts()["context"] == context


def test_late_chunking_takes_no_title(opened):
    assert opened(FILES_WITH_TITLES, ChunkOptions("late")).facts()["context"] == "none"


def test_options_of_a_later_addition_need_not_name_the_context(opened):
    collection = opened(FILES_WITH_TITLES, ChunkOptions(size=64))
    again = opened(1, ChunkOptions(size=64), collection.name)
    assert again.facts()["context"] == "title"


def test_the_title_or_the_name_of_the_file_is_a_word_of_every_chunk(sample):
    sample.add({"quetzal-report.txt": "Loose paper is fragile.", "b.md": "# Axolotl\n\nIt lasts."})
    for query in ("quetzal", "axolotl"):
        hits = sample.collection.search(query, SearchOptions("lexical")).hits
        assert len(hits) == 1


def test_a_model_with_a_place_for_titles_has_the_context_there():
    gemma = CATALOG["gemma"].card
    chunk = Chunk(Span(0, 9), "It lasts.", 3, context="Oak\n\n")
    bare = Chunk(Span(0, 9), "It lasts.", 3)
    assert has_title_slot(gemma, VectorOptions())
    assert not has_title_slot(CATALOG["vanilla"].card, VectorOptions())
    assert not has_title_slot(gemma, VectorOptions(title="Wood"))
    assert not has_title_slot(gemma, VectorOptions(role="query"))

    request = chunks_request([chunk, bare], VectorOptions(), title_slot=True)

    assert request.texts == ["It lasts.", "It lasts."]
    prompts = prompts_of(gemma, "document", request.texts, request.titles)
    assert list(prompts) == ["title: Oak | text: ", "title: none | text: "]
    assert chunks_request([chunk], VectorOptions()).texts == ["Oak\n\nIt lasts."]

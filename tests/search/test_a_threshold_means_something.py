"""A hit's confidence is the share of off-topic questions that find a worse one."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bindery.errors import InvalidValue
from bindery.faces.cli.app import app
from bindery.options import SearchMode, SearchOptions
from bindery.search.confidence import chance_scores, off_topic_questions

TEXTS = {
    f"{word}.txt": f"The {word} of the bindery is described here, with its {word} parts."
    for word in ("spine", "cover", "thread", "glue", "press", "paper")
}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical", "rrf"])
def test_off_topic_questions_find_nothing_and_others_do(sample, mode):
    sample.add(TEXTS)
    collection = sample.collection
    asked = SearchOptions(mode=mode, min_confidence=0.95)
    found = collection.search("the thread of a bindery", asked)
    assert found.hits[0].file.endswith("thread.txt")
    assert all(0.95 <= hit.confidence <= 1 for hit in found.hits)
    nothing = collection.search("How long does a flight to Tokyo take?", asked)
    assert nothing.hits == ()
    assert nothing.next_cursor is None
    if mode != "lexical":  # words alone have no hits to be unsure of
        assert "Nothing was found with a confidence of 0.95" in nothing.warnings[-1]
    every = collection.search("thread", SearchOptions(mode=mode, min_confidence=0))
    usual = collection.search("thread", SearchOptions(mode=mode))
    assert [hit.id for hit in every.hits] == [hit.id for hit in usual.hits]
    assert all(hit.confidence is None for hit in usual.hits)
    with pytest.raises(InvalidValue, match="min_confidence must be at most 1"):
        SearchOptions(min_confidence=1.5)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "rrf"])
def test_pages_are_full_until_they_end(sample, mode):
    sample.add(TEXTS)
    sample.add({f"{n}.txt": text for n, text in enumerate(off_topic_questions()[:30:2])})
    collection, query = sample.collection, "the thread of a bindery"
    every = collection.search(query, SearchOptions(mode=mode, top=100, min_confidence=0)).hits
    least = sorted(hit.confidence for hit in every)[-5]
    wanted = [hit.id for hit in every if hit.confidence >= least]
    assert 0 < len(wanted) < len(every)
    asked = SearchOptions(mode=mode, top=2, min_confidence=least)
    pages, cursor = [], None
    while not pages or cursor:
        answer = collection.search(query, replace(asked, cursor=cursor))
        cursor = answer.next_cursor
        pages.append([hit.id for hit in answer.hits])
        assert all(hit.confidence >= least for hit in answer.hits)
    assert [one for page in pages for one in page] == wanted
    assert all(len(page) == 2 for page in pages[:-1])
    assert pages[-1]


def test_the_scores_are_kept_until_the_collection_changes_much(sample):
    sample.add(TEXTS)
    collection, asked = sample.collection, []

    def ask(questions, options):
        asked.append(options.mode)
        return collection.search(questions, options)

    def scores():
        return chance_scores(sample.library, collection.index, SearchMode.HYBRID, ask)

    first = scores()
    assert list(first.scores) == sorted(first.scores)
    assert len(first.scores) >= len(off_topic_questions()) >= 60
    assert scores() == first
    assert asked == ["dense"]
    sample.add({"more.txt": "Another text, about looms and weaving."})
    assert scores().rows == first.rows + 1
    assert asked == ["dense", "dense"]


def test_the_command_says_that_nothing_was_found(sample, environment):
    sample.add(TEXTS)
    words = ["flight", "to", "Tokyo", "-c", sample.collection.name, "--min-confidence", "0.99"]
    shown = CliRunner().invoke(app, ["search", *words, "--json"], env=environment)
    assert shown.exit_code == 0, shown.output
    answer = json.loads(shown.stdout)
    assert answer["hits"] == []
    assert "Nothing was found" in answer["warnings"][-1]

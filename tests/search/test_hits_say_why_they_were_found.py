"""With ``explain``, what each word of a query adds to a hit, alike at every door."""

import json

import pytest
from typer.testing import CliRunner

from bindery.faces.cli.app import app
from bindery.options import SearchOptions

TEXTS = {
    "keys.md": "# Keys\n\nA key is revoked by `keys revoke`. A revoked key opens no vault.",
    "paper.txt": "Loose paper is fragile, and a key to old books.",
    "vault.txt": "Vaults are opened on Mondays, by a key of brass.",
}
QUERY = 'How do I revoke the "key" of ISO-9001?'


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "rrf", "dense"])
def test_the_shares_of_the_words_add_up_to_the_score(sample, doors, mode):
    sample.add(TEXTS)
    name = sample.collection.name
    found = {door: ask(name, [QUERY], mode=mode, explain=True) for door, ask in doors.items()}

    shares = {
        door: [[hit["id"], hit["words"]] for hit in answers[0]["hits"]]
        for door, answers in found.items()
    }
    assert shares["http"] == shares["cli"] == json.loads(json.dumps(shares["python"]))
    for hit in found["python"][0]["hits"]:
        if mode == "dense":
            assert hit["words"] is None
            continue
        total = sum(one["score"] for one in hit["words"])
        assert total == pytest.approx(hit["scores"]["bm25"], rel=1e-5)
        scores = [one["score"] for one in hit["words"]]
        assert scores == sorted(scores, reverse=True)
        assert "ISO-9001" not in [one["word"] for one in hit["words"]]  # no chunk has it


def test_the_places_of_a_word_are_those_that_match_it(sample):
    sample.add(TEXTS)
    [first, *others] = sample.collection.search("revoke vaults").hits
    assert all(hit.words is None for hit in [first, *others])  # only if it is asked for

    hits = sample.collection.search("revoke vaults", SearchOptions(explain=True)).hits
    by_file = {hit.file.rpartition("/")[2]: hit for hit in hits}
    keys = {one.word: one for one in by_file["keys.md"].words}
    text = by_file["keys.md"].text
    found = [text[mark.start : mark.end] for mark in keys["revoke"].marks]
    assert found == ["revoked", "revoke", "revoked"]
    assert (keys["revoke"].rows, keys["vaults"].rows) == (1, 2)
    assert keys["revoke"].score > keys["vaults"].score


def test_the_command_shows_stages_ranks_and_words(sample, environment):
    sample.add(TEXTS)
    name = sample.collection.name

    def run(*arguments):
        given = ["explain", "revoke", "a", "key", "-c", name, *arguments]
        return CliRunner().invoke(app, given, env=environment)

    shown = run("--hit", "2")
    assert shown.exit_code == 0, shown.output
    for part in ("neighbours", "ranks: dense", "scores: cosine", "Meaning weighs", "2. "):
        assert part in shown.output
    assert "1. " not in shown.output
    answer = json.loads(run("--json").stdout)
    only = json.loads(run("--json", "--hit", answer["hits"][1]["id"]).stdout)
    assert only["hits"][0]["id"] == answer["hits"][1]["id"]
    assert len(only["hits"]) == 1
    missing = run("--hit", "77")
    assert missing.exit_code == 2
    assert "No hit has the number or id '77'" in missing.stderr

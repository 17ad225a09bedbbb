"""Why a passage is not among the hits: every reason, at every door."""

import json

import pytest
from tests.search.conftest import SampleCollection
from typer.testing import CliRunner

from bindery.errors import InvalidValue
from bindery.faces.cli.app import app
from bindery.options import ChunkOptions, SearchOptions
from bindery.search.why_not import PassageName, Reason

TEXTS = {
    "keys.md": "A key is revoked by the command keys revoke, and opens no vault after that.",
    "more.md": "A key, a key, a key: all about a key and how a key is kept.",
    "vault.md": "Vaults are opened on Mondays.",
    "long.md": "First sentence about gondolas here. " * 3 + "The quetzal sleeps at noon. " * 3,
}


@pytest.fixture(scope="module")
def asked(library, collections, new_name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("why")
    found = SampleCollection(library, collections, new_name(), folder, ChunkOptions(size=20))
    found.add(TEXTS, year=2024)
    return found.collection


def reason(collection, query, options=None, **passage):
    found = collection.why_not(query, PassageName(**passage), SearchOptions(**(options or {})))
    assert found.message
    assert bool(found.remedy) == (found.reason is not Reason.HIT)
    return found


@pytest.mark.parametrize(
    ("query", "options", "passage", "expected", "said"),
    [
        ("key", {}, {"file": "keys.md"}, "hit", "It is hit"),
        ("key", {}, {"file": "elm.md"}, "not_indexed", "has no file 'elm.md'"),
        ("key", {}, {"quote": "words of no text at all"}, "not_indexed", "these words"),
        ("key", {}, {"id": "12"}, "not_indexed", "has '12'"),
        ("key", {"filter": "year < 2020"}, {"file": "keys.md"}, "filter", "year"),
        ('"all about"', {}, {"file": "keys.md"}, "phrase", "quotation marks"),
        (
            "key",
            {"top": 1, "mode": "lexical"},
            {"quote": "about gondolas here. First sentence about gondolas here. The quetzal"},
            "chunk_boundary",
            "two chunks",
        ),
        ("key", {"mode": "lexical"}, {"file": "vault"}, "candidates", "without any word"),
        (
            "key",
            {"mode": "lexical", "score_threshold": 50},
            {"file": "keys.md"},
            "threshold",
            "below score_threshold",
        ),
        (
            "flights to Tokyo",
            {"min_confidence": 1},
            {"file": "keys.md"},
            "threshold",
            "too low for min_confidence",
        ),
        ("key", {"top": 1, "mode": "lexical"}, {"file": "keys.md"}, "rank", "behind the 1 hits"),
        (
            "gondolas quetzal",
            {"mode": "lexical", "limit_per_file": 1},
            {"quote": "quetzal sleeps at noon. The quetzal"},
            "deduplicated",
            "limit_per_file",
        ),
    ],
)
def test_each_reason_is_found(asked, query, options, passage, expected, said):
    found = reason(asked, query, options, **passage)
    assert (str(found.reason), said in found.message) == (expected, True), found
    if found.text:
        assert found.id
        assert set(found.ranks) <= {"dense", "lexical", "fusion", "neighbours", "rrf"}
    if expected == "hit":
        hit = asked.search(query, SearchOptions(**options)).hits[found.rank - 1]
        assert hit.id == found.id
        assert found.ranks == hit.ranks
        assert found.scores == pytest.approx(hit.scores, abs=1e-5)


def test_what_the_model_did_not_read_is_named(library, collections, new_name, tmp_path):
    sample = SampleCollection(library, collections, new_name(), tmp_path, ChunkOptions(size=600))
    others = {f"{n}.txt": f"The gondola {n} is on the canal." for n in range(130)}
    sample.add({**others, "long.txt": "Nothing of note. " * 100 + "The quetzal sleeps."})
    found = reason(
        sample.collection, "gondola", {"mode": "dense"}, quote="the quetzal sleeps", file="long.txt"
    )
    assert found.reason is Reason.TRUNCATION
    assert "smaller chunks" in found.remedy
    # The model of the tests is one for English.
    sample.add({"de.txt": "Der Quetzal schläft am Mittag in seinem Nest, und niemand stört ihn."})
    found = reason(sample.collection, "gondola", {"mode": "dense"}, file="de.txt")
    assert found.reason is Reason.LANGUAGE


def test_every_door_gives_the_same(asked, client, environment):
    name = asked.name
    expected = json.loads(json.dumps(reason(asked, "key", {"top": 1}, file="vault.md").facts()))
    body = {"query": "key", "file": "vault.md", "top": 1}
    answer = client.post(f"/collections/{name}/why-not", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected

    def run(*arguments):
        given = ["explain", "key", "-c", name, "--top", "1", *arguments]
        return CliRunner().invoke(app, given, env=environment)

    told = run("--why-not", "--file", "vault.md", "--json")
    assert json.loads(told.stdout) == expected
    shown = run("--why-not", "--quote", "opened on Mondays")
    assert shown.exit_code == 0, shown.output
    assert expected["message"] in " ".join(shown.output.split())
    with pytest.raises(InvalidValue, match="needs an id, a file or a quote"):
        PassageName()

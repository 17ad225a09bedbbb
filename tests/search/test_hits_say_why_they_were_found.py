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


def test_the_tokens_of_the_first_hits_are_compared(sample, doors):
    sample.add({**TEXTS, "script.md": "# Revoke\n\n<script>alert(1)</script> revokes the key."})
    name = sample.collection.name
    asked = {"explain": True, "explain_tokens": 2}
    found = {door: ask(name, [QUERY], **asked) for door, ask in doors.items()}
    tokens = {door: [hit["tokens"] for hit in one[0]["hits"]] for door, one in found.items()}
    assert tokens["http"] == tokens["cli"] == json.loads(json.dumps(tokens["python"]))
    answer = found["python"][0]
    first, second, *others = answer["hits"]
    assert others
    assert all(hit["tokens"] is None for hit in others)
    for hit in (first, second):
        text = hit["text"]
        for one in hit["tokens"]:
            assert QUERY[one["span"]["start"] : one["span"]["end"]] == one["token"]
            assert text[one["mark"]["start"] : one["mark"]["end"]] == one["match"]
            assert one["score"] == pytest.approx(one["similarity"] / len(hit["tokens"]))
        # The same token in both is the most like.
        assert max(hit["tokens"], key=lambda one: one["similarity"])["token"] in QUERY
    words = " ".join(one["token"] for one in first["tokens"])
    assert words.replace(" ", "") == QUERY.replace(" ", "")
    assert answer["stages"][-1]["name"] == "tokens"
    assert doors["python"](name, [QUERY], mode="lexical", **asked)[0]["hits"][0]["tokens"] is None


def test_every_token_is_compared_with_every_token(sample, client):
    sample.add(TEXTS)
    name = sample.collection.name
    asked = {"query": QUERY, "explain": True, "filter": 'kind = "markdown"'}
    hit = client.post(f"/collections/{name}/search", json=asked).json()["hits"][0]
    address = f"/collections/{name}/files/{hit['file_id']}/tokens"
    place = {"start": hit["start"], "end": hit["end"]}
    matrix = client.post(address, json={"query": QUERY, **place}).json()
    rows = matrix["similarities"]
    for share, token, row in zip(hit["tokens"], matrix["query_tokens"], rows, strict=True):
        assert share["token"] == token["text"] == QUERY[token["start"] : token["end"]]
        best = matrix["tokens"][row.index(max(row))]
        assert share["match"] == best["text"] == hit["text"][best["start"] : best["end"]]
        assert max(row) == pytest.approx(share["similarity"], abs=1e-3)
    assert matrix["score"] == pytest.approx(sum(one["score"] for one in hit["tokens"]), abs=1e-3)
    nowhere = client.post(address, json={"query": QUERY, "start": 900, "end": 901})
    assert nowhere.json()["error"]["param"] == "start"
    assert client.post(address, json={"query": " ", **place}).status_code == 400


def test_the_page_is_inert(sample, environment, tmp_path):
    sample.add({"script.md": "# Revoke\n\n<script>alert(1)</script> revokes <b>the key</b>."})
    path = tmp_path / "receipt.html"
    arguments = ["explain", "revoke", "<i>", "-c", sample.collection.name, "--html", str(path)]
    shown = CliRunner().invoke(app, arguments, env=environment)
    assert shown.exit_code == 0, shown.output
    page = path.read_text()
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page
    assert "<mark>" in page
    assert "default-src 'none'" in page
    assert "src=" not in page.replace("default-src", "").replace("style-src", "")

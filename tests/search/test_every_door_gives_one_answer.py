"""Python, HTTP and the command line give the same answer, in every mode."""

import json

import pytest
from typer.testing import CliRunner

from bindery.errors import InvalidValue
from bindery.faces.cli.app import app
from bindery.options import SearchMode, SearchOptions

MODES = list(SearchMode)
TEXTS = {
    "keys.md": "# Keys\n\nA key is revoked by `keys revoke`.",
    "paper.txt": "Loose paper is fragile.",
    "vault.txt": "Vaults are opened on Mondays.",
}
QUERIES = ["How do I revoke a key?", "fragile paper", "when do vaults open"]


ADDRESSES = ("http://127.0.0.1:8000", "http://127.0.0.1")


def without_times(answers):
    for answer in answers:
        for hit in answer["hits"]:
            for address in ADDRESSES:
                hit["url"] = hit["url"].removeprefix(address)
        for stage in answer["stages"]:
            del stage["milliseconds"]
    return answers


@pytest.mark.parametrize("mode", MODES)
def test_several_queries_have_an_answer_each_in_order(sample, doors, mode):
    sample.add(TEXTS)
    name = sample.collection.name

    found = {
        door: without_times(ask(name, QUERIES, mode=mode.value)) for door, ask in doors.items()
    }

    firsts = [answer["hits"][0]["file"].rpartition("/")[2] for answer in found["python"]]
    assert firsts == ["keys.md", "paper.txt", "vault.txt"]
    assert [answer["query"] for answer in found["python"]] == QUERIES
    assert found["http"] == found["cli"] == json.loads(json.dumps(found["python"]))


def test_a_batch_gives_what_single_queries_give(sample):
    sample.add(TEXTS)
    together = sample.collection.search(QUERIES)
    for query, answer in zip(QUERIES, together, strict=True):
        alone = sample.collection.search(query)
        assert [hit.id for hit in alone.hits] == [hit.id for hit in answer.hits]
        assert [hit.score for hit in alone.hits] == pytest.approx(
            [hit.score for hit in answer.hits], abs=1e-4
        )


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([], "A search takes 1 to 100 queries, got 0."),
        (["key"] * 101, "A search takes 1 to 100 queries, got 101."),
        (["key", " \u200b"], "Query 2 is blank."),
        (["key", 3], "Query 2 must be text, got int."),
        (3, "query must be text or a list of texts, got int."),
        ("x" * 20_001, "The query must have at most 20,000 characters, got 20,001."),
    ],
)
def test_wrong_queries_are_refused(sample, client, queries, message):
    with pytest.raises(InvalidValue) as caught:
        sample.collection.search(queries)
    assert caught.value.message == message
    answer = client.post(f"/collections/{sample.collection.name}/search", json={"query": queries})
    error = answer.json()["error"]
    assert (answer.status_code, error["message"], error["param"]) == (400, message, "query")


def test_the_command_line_takes_queries_as_arguments_and_from_standard_input(sample, environment):
    sample.add(TEXTS)
    given = ["--collection", sample.collection.name, "--mode", "lexical"]

    def run(*arguments, input=None):
        return CliRunner().invoke(app, ["search", *arguments, *given], input=input, env=environment)

    one = run("fragile paper", "--json")
    assert json.loads(one.stdout)["query"] == "fragile paper"
    piped = run("--queries", "-", "--json", input="revoke\n\nfragile paper\n")
    assert [json.loads(line)["query"] for line in piped.stdout.splitlines()] == [
        "revoke",
        "fragile paper",
    ]
    for arguments, message in [
        ((), "A search takes 1 to 100 queries, got 0."),
        (("--queries", "/nowhere"), "The queries in '/nowhere' cannot be read"),
    ]:
        wrong = run(*arguments)
        assert wrong.exit_code != 0
        assert message in wrong.stderr


def test_options_are_checked_at_every_door(sample, doors):
    name = sample.collection.name
    for door, ask in doors.items():
        for option, value in [("top", 0), ("top", 1_000_000), ("mode", "fast"), ("weight", 2)]:
            error = ask(name, ["paper"], **{option: value})
            assert isinstance(error, dict), (door, option)
            assert (error["code"], error["param"]) == ("invalid_value", option), door
    with pytest.raises(InvalidValue, match="top must be at most 1000, got 1000000"):
        SearchOptions(top=1_000_000)


def test_an_answer_without_hits_says_why(sample, environment):
    def shown(*arguments):
        given = ["--collection", sample.collection.name, "--mode", "lexical"]
        return CliRunner().invoke(app, ["search", *arguments, *given], env=environment).stdout

    assert "has no chunks yet. Add files with: bindery add FOLDER" in shown("vaults")
    sample.add(TEXTS)
    assert "Nothing was found." in shown("zebra")
    for phrase in ('"opened vaults"', '"zebra vaults"'):
        assert "with exactly the words in double quotes." in shown(phrase)
    assert "No chunk passes the filter." in shown("vaults", "--filter", "page > 3")
    assert "Vaults are opened" in shown("vaults")


def test_help_lists_what_can_be_chosen(environment):
    shown = CliRunner().invoke(app, ["search", "--help"], env={**environment, "COLUMNS": "200"})
    for values in ("hybrid, dense, lexical, rrf", "chunk, joined, parent"):
        assert values in shown.stdout
    main = CliRunner().invoke(app, ["--help"], env=environment).stdout
    assert "bindery add papers/" in main
    assert "bindery search" in main

"""`bindery keys`: a key is shown once, listed without what opens anything, and revoked."""

import json
import re
from pathlib import Path

import pytest

from bindery.faces.cli.exits import BAD_DISK, WRONG_USE
from bindery.store.keys import KeyRing, KeyStore, Scope


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def keys(run, empty):
    """Run a `bindery keys` command in an empty home."""
    return lambda *arguments: run("keys", *arguments, BINDERY_HOME=str(empty))


def test_the_key_alone_goes_to_standard_output(keys, empty):
    done = keys("create", "--name", "laptop", "--scope", "embed", "--scope", "files")

    assert done.exit_code == 0
    text = done.stdout.strip()
    assert re.fullmatch(r"bindery_[0-9a-f]{8}_[0-9a-f]{64}", text)
    assert "once" in done.stderr
    assert text not in done.stderr
    found = KeyRing(KeyStore(empty)).find(text)
    assert (found.name, found.scopes) == ("laptop", {Scope.EMBED, Scope.FILES})


def test_without_a_scope_a_key_embeds(keys, empty):
    keys("create", "--name", "laptop")

    assert [key.scopes for key in KeyStore(empty).read()] == [{Scope.EMBED}]


def test_a_key_is_limited_to_collections(keys, empty):
    done = keys("create", "--name", "r", "--collection", "papers", "--collection", "notes")
    made = json.loads(
        keys(
            "create", "--name", "w", "--scope", "collections", "--collection", "a b", "--json"
        ).stdout
    )

    assert "only notes, papers" in done.stderr
    [reader, writer] = KeyStore(empty).read()
    assert (reader.scopes, reader.collections) == ({Scope.SEARCH}, {"papers", "notes"})
    assert (writer.scopes, made["collections"]) == ({Scope.COLLECTIONS}, ["a b"])
    assert "notes, papers" in keys("list").stdout
    listed = json.loads(keys("list", "--json").stdout)["keys"]
    assert [key["collections"] for key in listed] == [["notes", "papers"], ["a b"]]


def test_json_holds_everything_once_and_the_list_no_secret(keys):
    made = json.loads(keys("create", "--name", "a b", "--scope", "admin", "--json").stdout)
    listed = keys("list", "--json").stdout
    table = keys("list").stdout

    assert made["scopes"] == ["admin"]
    assert made["key"].startswith(f"bindery_{made['id']}_")
    secret = made.pop("key").rsplit("_", 1)[1]
    assert json.loads(listed) == {"total_keys": 1, "keys": [made]}
    for shown in (listed, table):
        assert made["id"] in shown
        assert "a b" in shown
        assert secret not in shown
    assert not re.search(r"[0-9a-f]{64}", listed + table), "not its digest either"


def test_a_revoked_key_is_gone(keys, empty):
    first = json.loads(keys("create", "--name", "first", "--json").stdout)
    second = json.loads(keys("create", "--name", "second", "--json").stdout)

    done = keys("revoke", first["id"])

    assert done.exit_code == 0
    assert "first" in done.stdout
    assert [key.id for key in KeyStore(empty).read()] == [second["id"]]
    assert json.loads(keys("revoke", second["id"], "--json").stdout)["revoked"] is True


def test_a_home_without_keys_says_how_to_make_one(keys):
    assert "bindery keys create" in keys("list").stdout
    assert json.loads(keys("list", "--json").stdout) == {"total_keys": 0, "keys": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ("revoke", "00000000"),
        ("revoke", "../../etc/passwd"),
        ("create", "--name", ""),
        ("create", "--name", "x" * 101),
        ("create", "--name", "x", "--scope", "everything"),
        ("create", "--name", "x", "--scope", "admin", "--collection", "papers"),
        ("create", "--name", "x", "--scope", "embed", "--collection", "papers"),
        ("create",),
        ("revoke",),
    ],
)
def test_wrong_values_are_told(keys, empty, arguments):
    done = keys(*arguments)

    assert done.exit_code == WRONG_USE
    assert done.stdout == ""
    assert not (empty / "keys.json").exists()


def test_a_damaged_file_is_told_and_kept(keys, empty):
    empty.mkdir()
    (empty / "keys.json").write_text("{")

    for arguments in (("list",), ("create", "--name", "x"), ("revoke", "00000000")):
        assert keys(*arguments).exit_code == BAD_DISK
    assert (empty / "keys.json").read_text() == "{"


def test_no_command_takes_a_key_as_an_argument(run):
    """Arguments are seen by every user of a machine, and kept in histories."""
    for command in ("create", "list", "revoke"):
        assert "KEY" not in run("keys", command, "--help").stdout.replace("KEYS", "")

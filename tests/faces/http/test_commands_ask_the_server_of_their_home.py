"""`bindery search` and its kin: the server that runs on the home answers, and nobody else."""

import json
import socket
import stat
from dataclasses import replace

import orjson
import pytest
from tests.faces.http.serving import serving
from typer.testing import CliRunner, Result

from bindery.faces.cli.app import app as commands
from bindery.faces.http.app import create_app
from bindery.faces.running import Announcement, find_server, new_token
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.store.keys import KeyStore, Scope

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def running(home, settings):
    """A server of the home that has made itself known, and its count of requests."""
    token = new_token()
    app = create_app(Library(home, ModelOptions(precision="f32")), settings, owner=token)
    with serving(app) as (server, _):
        announcement = Announcement(settings, token)
        announcement.make(server.servers[0].sockets[0])
        yield lambda: server.server_state.total_requests
        announcement.withdraw()


@pytest.fixture
def typed(home):
    def typed(*arguments: object, **changes: str) -> Result:
        variables = {"BINDERY_HOME": str(home), "BINDERY_PRECISION": "f32", "http_proxy": NOBODY}
        given = [str(one) for one in arguments]
        return CliRunner().invoke(commands, given, env={**variables, **changes})

    return typed


def without_times(answer: str) -> dict:
    facts = json.loads(answer)
    for stage in facts.get("stages", []):
        stage["milliseconds"] = 0
    for hit in facts.get("hits", []):
        hit.pop("url")  # the server of the test listens on another port than the settings say
    return facts


def test_the_server_answers_as_the_command_would(running, typed, tmp_path):
    (tmp_path / "keys.md").write_text("# Keys\n\nA key is revoked with `bindery keys revoke`.\n")
    added = typed("add", tmp_path / "keys.md", "-c", "asked", "--attribute", "year=2024")
    assert added.exit_code == 0, added.output
    for command in (
        ("search", "revoke a key", "-c", "asked", "--filter", "year >= 2020 and not year > 2030"),
        ("search", "revoke", "-c", "asked", "--mode", "lexical", "--top", "1"),
        ("collections", "list"),
        ("collections", "files", "asked"),
    ):
        before = running()
        asked = typed(*command, "--json")
        assert running() == before + 1
        alone = typed(*command, "--no-server", "--json")
        assert running() == before + 1
        assert asked.exit_code == alone.exit_code == 0, asked.output
        assert without_times(asked.stdout) == without_times(alone.stdout)
        assert typed(*command).stdout == typed(*command, "--no-server").stdout


def test_the_server_changes_what_a_command_names(running, typed, tmp_path):
    """The running server and a command alone give the same receipts and reports."""
    for n in range(3):
        (tmp_path / f"{n}.md").write_text(f"Shelf {n} of {tmp_path.name}.")
    kinds = {"changed by it": True, "changed alone": False}
    for name in kinds:
        assert typed("add", tmp_path, "-c", name, "--no-server").exit_code == 0
    commands_of = [
        ("remove", f"{tmp_path.name}/0.md", f"{tmp_path.name}/1.md", "--now"),
        ("change", "--weight", "0.5"),
        ("generations",),
        ("verify",),
        ("delete", "--yes", "--now"),
    ]
    found = {}
    for name, asks in kinds.items():
        for verb, *rest in commands_of:
            before = running()
            files = [one for one in rest if not one.startswith("-") and verb == "remove"]
            flags = [one for one in rest if one not in files]
            alone = [] if asks else ["--no-server"]
            result = typed("collections", verb, name, *files, *flags, *alone, "--json")
            assert result.exit_code == 0, result.output
            assert (running() > before) == asks, verb
            facts = json.loads(result.stdout.replace(name, "NAME"))
            for differing in ("created_at", "cached_vectors", "kept", "chunks", "vectors"):
                facts.pop(differing, None)
            for one in facts.get("generations", [facts]):
                one.pop("id", None)
                one.pop("generation", None)
                one.pop("index_bytes", None)
                one.pop("bytes_per_chunk", None)
                one.pop("segments", None)
            found[name, verb] = facts
    for verb, *_ in commands_of:
        assert found["changed by it", verb] == found["changed alone", verb], verb


def test_the_server_does_the_long_work_of_commands(running, typed, tmp_path):
    """Rebuilding, taking back, exporting and importing: as the command would do it alone."""
    (tmp_path / "a.md").write_text("A heliotrope turns to the sun. " * 40)
    told = {}
    for flags in ((), ("--no-server",)):
        name, file = f"long {len(flags)}", tmp_path / f"{len(flags)}.parquet"
        assert typed("add", tmp_path / "a.md", "-c", name, *flags).exit_code == 0
        for requests, command in (
            (1, ("rebuild", name, "--size", 32, "--estimate")),
            (2, ("rebuild", name, "--size", 32, "--yes")),
            (1, ("rollback", name)),
            (1, ("rebuild", name)),
            (1, ("rebuild", name, "--drop")),
            (1, ("export", name, file)),
            (1, ("import", f"{name} again", file)),
            (1, ("import", f"{name} again", file)),
            (1, ("rollback", name)),
            (1, ("export", name, tmp_path / "all.doc")),
        ):
            before = running()
            result = typed("collections", *command, *flags)
            assert running() - before == (0 if flags else requests), command
            # Long paths are wrapped anywhere.
            output = "".join(result.output.split()).replace(str(file), "FILE")
            output = output.replace("".join(name.split()), "NAME")
            is_measured = "tokenstoembed" in output
            told.setdefault(flags, []).append((result.exit_code, is_measured or output))
    assert told[()] == told["--no-server",]
    assert [code for code, _ in told[()]] == [0] * 7 + [2] * 3
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def added(result):
    """The facts at the end of an addition, without what differs from run to run."""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines[-1:]] == ["end"], result.output
    differing = ("seconds", "created_at", "segments", "index_bytes", "bytes_per_chunk")
    return {name: fact for name, fact in lines[-1].items() if name not in differing}


def test_the_server_adds_what_a_command_names(running, typed, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.md").write_text(f"Note {n} is about shelf {n * 7}.")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    facts = {}
    for name, flags in {"by server": (), "by itself": ("--no-server",)}.items():
        before = running()
        first = typed("add", folder, "-c", name, "--attribute", "year=2024", "--json", *flags)
        assert first.exit_code == 4
        (folder / "0.md").write_text("Note 0 is changed.")
        (folder / "3.md").unlink()
        again = typed("add", folder, "-c", name, "--sync", "--json", *flags)
        missing = typed("add", folder / "nowhere", "-c", name, *flags)
        assert (missing.exit_code, "There is no file" in missing.output) == (4, True)
        assert running() - before == (0 if flags else 3)
        facts[name] = [{**added(one), "name": ""} for one in (first, again)]
        (folder / "0.md").write_text("Note 0 is about shelf 0.")
        (folder / "3.md").write_text("Note 3 is about shelf 21.")
    assert facts["by server"] == facts["by itself"]
    assert facts["by server"][1]["removed"] == ["notes/3.md"]
    assert facts["by server"][1]["changed"] == ["notes/0.md"]
    assert "bad.pdf" in typed("add", folder, "-c", "by server").output
    shown = typed("add", folder, "-c", "by server", "--sync").stdout
    assert "4 unchanged, 1 failed" in shown, shown


def test_only_the_owner_adds_by_path(client, tmp_path):
    answer = client.post("/collections/x/local/add", json={"paths": [str(tmp_path)]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_most_of_a_folder_is_removed_only_if_that_is_confirmed(running, typed, tmp_path):
    for n in range(3):
        (tmp_path / f"{n}.md").write_text(f"Note {n}.")
    assert typed("add", tmp_path, "-c", "most").exit_code == 0
    for n in range(2):
        (tmp_path / f"{n}.md").unlink()
    refused = typed("add", tmp_path, "-c", "most", "--sync")
    assert (refused.exit_code, "2 of 3 files" in refused.output) == (4, True)
    assert "removed: 2" in typed("add", tmp_path, "-c", "most", "--sync", "--yes").stdout


def test_errors_are_those_of_the_command(running, typed):
    for command in (
        ("search", "key", "-c", "nowhere"),
        ("search", " "),
        ("collections", "files", "x"),
    ):
        before = running()
        asked, alone = typed(*command), typed(*command, "--no-server")
        assert running() == before + 1
        assert (asked.exit_code, asked.output) == (alone.exit_code, alone.output) != (0, "")


def test_the_owner_needs_no_key_where_others_do(settings, typed, tmp_path):
    settings = replace(settings, home=tmp_path)
    KeyStore(tmp_path).create("someone", [Scope.EMBED])
    token = new_token()

    def list_collections():
        result = typed("collections", "list", BINDERY_HOME=str(tmp_path))
        assert result.exit_code == 0, result.output

    with serving(create_app(Library(tmp_path), settings, owner=token)) as (server, _):
        announcement = Announcement(settings, token)
        announcement.make(server.servers[0].sockets[0])
        list_collections()
        assert server.server_state.total_requests == 1
        # The token of another run is refused, and the command goes on alone.
        Announcement(settings, new_token()).make(server.servers[0].sockets[0])
        list_collections()
        assert server.server_state.total_requests == 2
    list_collections()  # nothing listens any more
    assert find_server(settings) is not None


def test_only_a_living_server_with_the_same_settings_is_found(settings, tmp_path):
    settings = replace(settings, home=tmp_path)
    announcement, path = Announcement(settings, new_token()), tmp_path / "server.json"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        announcement.make(listener)
        found = find_server(settings)
        assert (found.host, found.port) == listener.getsockname()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert found.token.reveal() not in repr(found)
    assert find_server(replace(settings, precision="bf16")) is None

    facts = orjson.loads(path.read_bytes())
    for wrong in (
        {"pid": 2**22 + 1},
        {"started": "1"},
        {"version": "0"},
        {"host": "192.0.2.1"},
        {"port": "x"},
    ):
        path.write_bytes(orjson.dumps({**facts, **wrong}))
        assert find_server(settings) is None, wrong
    for broken in (b"", b"[]", b"{}"):
        path.write_bytes(broken)
        assert find_server(settings) is None

    # Another server has made itself known since, which stays.
    other = Announcement(settings, new_token())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        announcement.make(listener)
        other.make(listener)
    announcement.withdraw()
    assert find_server(settings) is not None
    other.withdraw()
    assert not list(tmp_path.iterdir())


def test_a_server_without_a_loopback_address_is_not_found(settings, tmp_path):
    settings = replace(settings, home=tmp_path)

    class Listener:
        def getsockname(self):
            return ("192.0.2.7", 8000)

    Announcement(settings, new_token()).make(Listener())
    assert find_server(settings) is None


def test_a_server_may_be_the_first_to_use_a_home(settings, tmp_path):
    settings = replace(settings, home=tmp_path / "not" / "here")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Announcement(settings, new_token()).make(listener)
        assert find_server(settings) is not None

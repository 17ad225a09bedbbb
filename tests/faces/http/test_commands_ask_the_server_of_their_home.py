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

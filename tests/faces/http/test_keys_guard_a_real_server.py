"""`bindery serve` with keys: which requests are admitted, and that no key is ever written."""

import http.client
import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.faces.commands import BINDERY

from bindery.errors import InvalidValue, StorageError
from bindery.faces.http.wire.listening import refuse_strangers
from bindery.faces.http.wire.server import serve
from bindery.settings import Settings
from bindery.store.keys import KeyStore, Scope


class Server:
    """A server in its own process, and everything that it has written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output: list[str] = []
        self.port = 0
        self._is_up = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._is_up.wait(300), self.output
        assert self.port, self.output

    def _read(self) -> None:
        for line in self.process.stdout:
            self.output.append(line)
            if " serves on http" in line:
                self.port = int(line.strip().rpartition(":")[2])
                self._is_up.set()
        self._is_up.set()

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> int:
        self.last = ""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            self.last = answer.read().decode()
            return answer.status

    def end(self) -> int:
        self.process.terminate()
        self._reader.join()
        return self.process.wait(300)


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[Server]:
    environment = os.environ | {"BINDERY_HOME": str(home), "BINDERY_DRAIN_DELAY_S": "0"}
    process = subprocess.Popen(
        [*BINDERY, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    with process:
        server = Server(process)
        try:
            yield server
        finally:
            server.end()


def windows(secret: str, size: int = 12) -> set[str]:
    """Every part of a secret that would help to guess the rest."""
    return {secret[place : place + size] for place in range(len(secret) - size + 1)}


def test_a_key_opens_a_server_until_it_is_revoked_and_is_nowhere_written(tmp_path):
    store = KeyStore(tmp_path)
    key, text = store.create("laptop", [Scope.EMBED, Scope.FILES])
    secret = text.reveal().rsplit("_", 1)[1]
    wrong = f"bindery_{key.id}_" + "c0ffee00" * 8
    good = f"Bearer {text.reveal()}"
    said: list[str] = []
    with serving(tmp_path, "--log-level", "debug") as server:
        assert server.ask("GET", "/files") == 401
        assert server.ask("GET", "/files", authorization=good) == 200
        # Wherever a careless client may put it.
        for path, body, headers in (
            ("/files", None, {"authorization": f"Bearer {wrong}"}),
            ("/metrics", None, {"authorization": good}),
            (f"/files/{text.reveal()}", None, {"authorization": good}),
            (f"/files?api_key={text.reveal()}", None, {}),
            (f"/v1/models/{text.reveal()}", None, {"x_api_key": text.reveal()}),
            ("/v1/embeddings", f'{{"model": "{text.reveal()}"}}', {"authorization": good}),
            ("/v1/embeddings", f'{{"{text.reveal()}": ', {"authorization": good}),
            ("/files", None, {"x_request_id": "a" * 200 + text.reveal(), "authorization": good}),
            ("/files", None, {"origin": f"https://{text.reveal()}", "authorization": good}),
        ):
            assert 200 <= server.ask("POST" if body else "GET", path, body, **headers) < 500
            if text.reveal() not in path + (body or ""):
                said.append(server.last)
        for place in ("cmdline", "environ"):
            if (found := Path(f"/proc/{server.process.pid}/{place}")).exists():
                said.append(found.read_text())
        store.revoke(key.id)
        while server.ask("GET", "/files", authorization=good) != 401:
            pass
        assert server.ask("GET", "/health") == 200
    said += server.output
    assert server.process.returncode == 0
    for one in said:
        assert not [part for part in windows(secret) | windows("c0ffee00" * 8) if part in one], one


def test_a_stranger_uploads_nothing(tmp_path):
    KeyStore(tmp_path).create("laptop", [Scope.FILES])
    with serving(tmp_path) as server:
        with closing(
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        ) as connection:
            connection.putrequest("POST", "/files/upload")
            connection.putheader("content-length", "5000000")
            connection.putheader("content-type", "multipart/form-data; boundary=x")
            connection.endheaders()
            head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            connection.send(head + b"y" * (4_000_000))
            assert connection.getresponse().status == 401  # before all of it was sent
        assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_other_machines_are_served_with_keys_alone(tmp_path, host):
    with pytest.raises(InvalidValue) as caught:
        refuse_strangers(Settings(home=tmp_path, host=host))
    assert caught.value.param == "host"
    assert "bindery keys create" in caught.value.remedy
    assert "--insecure" in caught.value.remedy


def test_revoked_keys_are_no_keys(tmp_path):
    store = KeyStore(tmp_path)
    store.revoke(store.create("laptop", [Scope.EMBED])[0].id)
    with pytest.raises(InvalidValue):
        refuse_strangers(Settings(home=tmp_path, host="0.0.0.0"))


def test_a_damaged_file_of_keys_starts_no_server(tmp_path):
    KeyStore(tmp_path).path.write_text("{}")
    with pytest.raises(StorageError):
        serve(Settings(home=tmp_path, host="127.0.0.1", insecure=True))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_insecure_is_said_aloud(tmp_path, host, caplog):
    refuse_strangers(Settings(home=tmp_path, host=host, insecure=True))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "INSECURE" in record.getMessage()
    assert host in record.getMessage()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "127.8.9.10"])
def test_this_machine_is_served_without_keys(tmp_path, host, caplog):
    refuse_strangers(Settings(home=tmp_path, host=host))
    assert not caplog.records


def test_with_keys_other_machines_are_served(tmp_path, caplog):
    KeyStore(tmp_path).create("laptop", [Scope.EMBED])
    refuse_strangers(Settings(home=tmp_path, host="0.0.0.0"))
    assert not caplog.records

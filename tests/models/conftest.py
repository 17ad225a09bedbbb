"""A made-up model of a few hundred bytes, and a hub on this machine that misbehaves on demand."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.encoders.late_checkpoints import copied

from bindery.models.card import CatalogEntry, Family, ModelCard, Pooling, Release, Wheel

FILES = (
    "config.json",
    "1_Pooling/config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "model.safetensors",
)
"""Those of the made-up model."""

REVISION = "0123456789abcdef0123456789abcdef01234567"


def _safetensors() -> bytes:
    body = bytes(range(64))
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "first": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
            "second": {"dtype": "F16", "shape": [16], "data_offsets": [32, 64]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + body


@dataclass(frozen=True)
class MadeUp:
    """A model's files by path, and entries of the catalog that describe them."""

    contents: Mapping[str, bytes]

    def entry(
        self,
        *,
        identifier: str = "tiny",
        pinned: bool = False,
        gated: bool = False,
        wheel: Wheel | None = None,
    ) -> CatalogEntry:
        """Only the weights' digest is known, or with ``pinned`` every file's."""
        known = set(self.contents) if pinned else {"model.safetensors"}
        return CatalogEntry(
            ModelCard(
                id=identifier,
                family=Family.DENSE,
                dimensions=8,
                max_tokens=16,
                pooling=(Pooling.MEAN,),
                normalised=True,
                repository="nobody/tiny",
                revision=REVISION,
                licence="made-up",
            ),
            Release(
                repository="nobody/tiny",
                revision=REVISION,
                files={
                    path: hashlib.sha256(content).hexdigest() if path in known else None
                    for path, content in self.contents.items()
                },
                gated=gated,
                mirrors=("somebody/tiny",) if gated else (),
                wheel=wheel,
                optional=frozenset({"special_tokens_map.json"}),
            ),
        )

    def write(self, folder: Path, **changes: bytes) -> Path:
        """The files in ``folder``; ``changes`` replace those of a path without its suffix."""
        for path, content in self.contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(changes.get(Path(path).stem, content))
        return folder


@pytest.fixture(scope="session")
def made_up() -> MadeUp:
    return MadeUp(
        {
            "config.json": b'{"model_type": "made-up"}',
            "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
            "special_tokens_map.json": b'{"unk_token": "[UNK]"}',
            "tokenizer.json": json.dumps({"words": list(range(200))}).encode(),
            "model.safetensors": _safetensors(),
        }
    )


@dataclass
class Hub:
    """A hub on 127.0.0.1. ``faults`` says by path how it fails (see the handler's table)."""

    contents: Mapping[str, bytes]
    faults: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    elsewhere: str = ""
    endpoint: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def paths_asked_for(self) -> list[str]:
        return [path.partition(f"/resolve/{REVISION}/")[2] for path, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    # Head and body in one packet: else each answer waits for a delayed acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        token = self.headers.get("Authorization")
        self.hub.requests.append((self.path, token))
        path = self.path.partition(f"/resolve/{REVISION}/")[2]
        fault = self.hub.faults.get(path, "")
        content = self.hub.contents.get(path)
        if fault.isdecimal() or content is None:
            # A rude server that throws the caller's secret back at it.
            self._answer(f"refused: {token}".encode(), status=int(fault or 404))
        else:
            getattr(self, f"_{fault or 'answer'}")(content)

    def _answer(
        self,
        content: bytes,
        *,
        status: int = 200,
        kind: str = "application/octet-stream",
        announced: int | None = None,
        **headers: str,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if announced is None else announced))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _truncated(self, content: bytes) -> None:
        self._answer(content[:-3], announced=len(content))
        self.close_connection = True

    def _cut(self, content: bytes) -> None:
        self._answer(content[:-3])

    def _flipped(self, content: bytes) -> None:
        middle = len(content) // 2
        self._answer(content[:middle] + bytes([content[middle] ^ 0x80]) + content[middle + 1 :])

    def _empty(self, content: bytes) -> None:
        del content
        self._answer(b"")

    def _page(self, content: bytes) -> None:
        del content
        self._answer(b"<!doctype html><title>Sign in</title>", kind="text/html; charset=utf-8")

    def _silent(self, content: bytes) -> None:
        del content
        self.hub.released.wait(30)

    def _stalled(self, content: bytes) -> None:
        self._answer(content[:-3], announced=len(content))
        self.wfile.flush()
        self.hub.released.wait(30)
        self.close_connection = True

    def _moved(self, content: bytes) -> None:
        del content
        self._answer(b"", status=302, Location=f"{self.hub.elsewhere}{self.path}")

    def _renamed(self, content: bytes) -> None:
        self.hub.faults[f"new-{Path(self.path).name}"] = ""
        self.hub.contents = {**self.hub.contents, f"new-{Path(self.path).name}": content}
        self._answer(b"", status=307, Location=f"new-{Path(self.path).name}")

    def _circling(self, content: bytes) -> None:
        del content
        self._answer(b"", status=302, Location=self.path)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def start_hub(made_up: MadeUp) -> Iterator[Callable[[], Hub]]:
    """Start hubs that serve the made-up model; all end with the test."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread, Hub]] = []

    def start() -> Hub:
        hub = Hub(made_up.contents)
        handler = type("Handler", (_Handler,), {"hub": hub, "protocol_version": "HTTP/1.1"})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.append((server, thread, hub))
        return hub

    yield start
    for server, thread, hub in running:
        hub.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(start_hub: Callable[[], Hub]) -> Hub:
    return start_hub()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def stanford(tmp_path: Path) -> Path:
    return copied("stanford", tmp_path)


@pytest.fixture
def pylate(tmp_path: Path) -> Path:
    return copied("pylate", tmp_path)

"""Bindery tells nobody that it is used: no part of it looks for the network by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_WATCHED = """
import sys

def watch(event, arguments):
    if event in {"socket.getaddrinfo", "socket.connect", "socket.gethostbyname"}:
        print(event, arguments, flush=True)

sys.addaudithook(watch)
"""

_WORK = """
import bindery
from bindery.documents import parse

model = bindery.load("vanilla", threads=1)
model.encode(["Loose paper is fragile."], role="document")
parse(b"# Paper", "paper.md")
model.close()
assert "openvino" in sys.modules
"""


_TELEMETRY = "print('telemetry is imported', flush=True)"


def _watched(work: str, *, packages: Path | None = None) -> str:
    # Telemetry keeps quiet on machines that call themselves CI; a user's does not.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    run = subprocess.run(
        [sys.executable, "-c", _WATCHED + work], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_loading_encoding_and_parsing_look_for_no_network() -> None:
    assert _watched(_WORK) == ""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with a telemetry package in it, as an install without our lock would have one."""
    package = tmp_path / "openvino_telemetry"
    package.mkdir()
    (package / "__init__.py").write_text(_TELEMETRY)
    return tmp_path


def test_the_runtime_never_finds_its_telemetry(packages: Path) -> None:
    assert _watched(_WORK, packages=packages) == ""


def test_the_runtime_would_find_it_otherwise(packages: Path) -> None:
    loud = _watched("import openvino", packages=packages)

    assert "telemetry is imported" in loud


def test_the_watch_would_see_it() -> None:
    assert "getaddrinfo" in _watched(
        "import socket\ntry:\n socket.getaddrinfo('localhost', 80)\nexcept OSError: ...\n"
    )

"""The tables of clients in the manual are made from results; none of this needs a client."""

import re
from pathlib import Path

import pytest
from tests.clients.environments import HERE, LOCKS, Client, read_clients
from tests.clients.matrix import Checked, Found, merge, read_results, sections, shown

CLIENTS = read_clients()
FOUND = read_results()
PYTHON = [client for client in CLIENTS if client.requires]
LOCK_FILES = [*LOCKS.glob("*.txt"), HERE / "javascript" / "package-lock.json"]


def text_of(client: Client) -> str:
    """What the script of a client says."""
    folder, name = ("javascript", client.script) if client.script else ("python", None)
    folder = "java" if client.is_java else folder
    return (HERE / folder / (name or f"check_{client.name}.py")).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sections(FOUND), ids=lambda path: path.name)
def test_the_manual_shows_the_results(path: Path) -> None:
    assert shown(path) == sections(FOUND)[path], "`make test-clients` writes it"


def test_every_client_was_tried() -> None:
    assert [one.client for one in FOUND] == [client.name for client in CLIENTS]
    for one, client in zip(FOUND, CLIENTS, strict=True):
        assert one.checks, client.name
        topics = {check.topic for check in one.checks}
        purpose = "search" if client.speaks == "MCP" else "vectors"
        assert {purpose, "errors"} <= topics <= {*topics_in(text_of(client)), "the manual"}, (
            client.name
        )


def topics_in(script: str) -> list[str]:
    """The topics that the checks of a script have."""
    return re.findall(r"(?:check|both)\(\s*\"([a-z ]+)\"", script)


def test_every_script_belongs_to_a_client() -> None:
    scripts = {path.stem for path in (HERE / "python").glob("check_*.py")}
    assert scripts == {f"check_{client.name}" for client in PYTHON}
    modules = {path.name for path in (HERE / "javascript").glob("*.mjs")}
    modules |= {path.name for path in (HERE / "java").glob("*.java")}
    assert modules == {"checking.mjs", *(client.script for client in CLIENTS if client.script)}


def test_the_versions_are_those_of_the_locks() -> None:
    versions = {one.client: one.version for one in FOUND}
    for client in PYTHON:
        lock = (LOCKS / f"{client.name}.txt").read_text(encoding="utf-8")
        assert f"=={versions[client.name]} " in lock, client.name


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.stem)
def test_locks_name_hashes_and_no_registry(path: Path) -> None:
    lock = path.read_text(encoding="utf-8")
    assert not re.search(r"--(?:extra-)?index-url|\"resolved\"|simple/", lock)
    assert "sha256:" in lock or '"integrity": "sha512-' in lock
    assert not re.search(r"^(?:torch|nvidia-)", lock, re.MULTILINE)


def test_a_check_that_fails_once_shows() -> None:
    name = CLIENTS[0].name
    good, bad = Checked("rerank", "in order", ok=True), Checked("rerank", "in order", ok=False)
    for checks in ([good, bad], [bad, good]):
        found = merge([Found(name, "1.0", [check]) for check in checks])
        assert found.checks == [bad]
        [tables] = sections([found]).values()
        assert "| no |" in tables
        assert "0 of 1" in tables
        assert "in order (fails)" in tables

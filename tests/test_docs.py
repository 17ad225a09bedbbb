"""What the documentation shows is run as a reader would run it."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from tests.homes import home_with

import bindery
from bindery.faces.cli.exits import CLOSED, EXIT_CODES, EXIT_MEANINGS, STOPPED

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(language: str) -> list[object]:
    found: list[object] = []
    for page in PAGES:
        blocks = re.findall(
            rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
        )
        found += [
            pytest.param(block, id=f"{page.name}-{number}") for number, block in enumerate(blocks)
        ]
    return found


@pytest.fixture(scope="module")
def home(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the small model in it, so that no example writes into the user's own."""
    return home_with(minilm_folder, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def port(home: Path) -> Generator[int]:
    """A server as ``bindery serve`` starts it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    server = subprocess.Popen(
        [BIN / "bindery", "serve", "--port", str(free)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"BINDERY_HOME": str(home)},
    )
    try:
        _wait(free, server)
        yield free
    finally:
        server.terminate()
        server.wait(timeout=300)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(3_000):
        assert server.poll() is None, "the server ended"
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request("GET", "/ready")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass  # not listening yet
        time.sleep(0.1)
    raise AssertionError("the server was not ready within 300 s")


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_examples_run(block: str, minilm_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(block, encoding="utf-8")
    env = os.environ | {"BINDERY_HOME": str(home_with(minilm_folder, tmp_path / "home"))}

    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path, env=env
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("block", _blocks("bash"))
def test_shell_examples_run(block: str, port: int, home: Path, tmp_path: Path) -> None:
    if "curl" in block and not shutil.which("curl"):
        pytest.skip("curl is not installed on this machine")
    shutil.copy(ROOT / "README.md", tmp_path)
    # The server here has a port and files of its own; everything else is as written.
    script = block.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("curl -s ", "curl -sf ")
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"

    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "BINDERY_HOME": str(home)},
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert '"error":{' not in run.stdout


def test_the_docstring_of_the_package_holds() -> None:
    import doctest

    outcome = doctest.testmod(bindery)

    assert outcome.attempted
    assert not outcome.failed


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_MEANINGS) == {0, *EXIT_CODES.values(), STOPPED, CLOSED}


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8")):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), f"{page.name} links to {link}"
            if anchor:
                assert anchor in _anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_says_first_what_it_is_for(page: Path) -> None:
    title, first, *_ = page.read_text(encoding="utf-8").split("\n\n")

    assert title.startswith("# ")
    assert re.match(r"This (page|manual|tutorial) \w+", first)


def test_no_lock_names_a_registry() -> None:
    for lock in (ROOT / "locks").glob("*.txt"):
        content = lock.read_text(encoding="utf-8")
        assert "://" not in content, lock
        packages = re.findall(r"^[a-z0-9][^\n]*==", content, re.M | re.I)
        assert packages
        for entry in re.split(r"\n(?=\S)", content.strip()):
            assert "--hash=sha256:" in entry, f"{lock.name}: {entry[:60]}"


def test_the_base_lock_holds_no_torch() -> None:
    names = re.findall(r"^([a-z0-9-]+)==", (ROOT / "locks" / "base.txt").read_text(), re.M)

    assert "openvino" in names
    assert not {"torch", "transformers", "sentence-transformers"} & set(names)

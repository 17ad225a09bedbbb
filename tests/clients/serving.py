"""A real server to ask, on a free port of this machine, ended whatever happens."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

BINDERY = Path(sys.executable).with_name("bindery")

# The weights of `vanilla`, as a model with prompts, so that roles differ, and with lengths to cut
# to. It goes by the name of one of Cohere's, because llama-index asks Cohere for no other.
PROMPTED = "embed-english-v3.0"

CATALOG = """\
[models."embed-english-v3.0"]
family = "matryoshka"
repository = "acme/prompted"
revision = "0000000000000000000000000000000000000001"
dimensions = 384
nested_dimensions = [256, 128, 64]
max_tokens = 256
pooling = "mean"

[models."embed-english-v3.0".prompts]
query = "Represent this sentence for searching relevant passages: "
document = "passage: "
"""

KINDS: Mapping[str, Mapping[str, str]] = {
    "keyed": {},
    "open": {},
    "model": {"BINDERY_TOKEN_INPUT": "model"},
    "reject": {"BINDERY_TOKEN_INPUT": "reject"},
}
"""How servers differ: with a key; without; and by whose token ids they take."""

_START_S = 120
_END_S = 40


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers."""

    url: str
    key: str
    kind: str


def make_home(folder: Path, *, vanilla: Path) -> dict[str, str]:
    """A home of its own, with both models; what to set so that a server finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = folder / "catalog.toml"
    catalog.write_text(CATALOG)
    variables = {
        "BINDERY_HOME": str(folder),
        "BINDERY_CATALOG": str(catalog),
        "BINDERY_PRECISION": "f32",  # the same numbers in whatever batch
        "BINDERY_LOG_LEVEL": "warning",
    }
    _bindery(variables, "preload", "vanilla", PROMPTED, "--from", str(vanilla))
    return variables


@contextmanager
def serve(kind: str, variables: Mapping[str, str], log: Path) -> Iterator[Served]:
    """Start a server of that kind, and wait until its models answer."""
    # A home with keys has servers that ask for one.
    Path(variables["BINDERY_HOME"], "keys.json").unlink(missing_ok=True)
    key = _make_key(variables) if kind == "keyed" else ""
    with log.open("w") as sink:
        process = subprocess.Popen(
            [BINDERY, "serve", "--host", "127.0.0.1", "--port", "0"],
            env=_environment({**variables, **KINDS[kind]}),
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Served(_ready_address(process, log), key, kind)
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _make_key(variables: Mapping[str, str]) -> str:
    names = ("embed", "files", "search", "collections")
    scopes = [part for name in names for part in ("--scope", name)]
    made = _bindery(variables, "keys", "create", "--name", "clients", *scopes, "--json")
    return json.loads(made)["key"]


def _bindery(variables: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [BINDERY, *arguments], env=_environment(variables), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"bindery {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BINDERY_")}
    return {**ours, **variables}


def _ready_address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        if said := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            try:
                with urlopen(f"{said[0]}/ready"):
                    return said[0]
            except URLError:
                pass  # it answers 503 while models load
        time.sleep(0.1)
    raise RuntimeError(f"The server did not come up; it said:\n{log.read_text()}")

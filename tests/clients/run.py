"""``make test-clients``: every client, unmodified, against a real server.

Writes what came of it to ``results.json``, and from that the tables of the manual.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.clients.environments import (
    FOLDER,
    Client,
    install,
    read_clients,
    say,
    variables,
    write_locks,
)
from tests.clients.expectations import expect, load_tokeniser
from tests.clients.matrix import Checked, Found, merge, summary, write_documents, write_results
from tests.clients.serving import KINDS, Served, make_home, serve

from bindery.faces.python import open_library
from bindery.models.cache import locate
from bindery.models.catalog import CATALOG
from bindery.settings import read_settings

_CLIENT_S = 300


def main() -> int:
    """Try the clients that are named, or all; only all of them change what is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="*", help="which; all by default")
    parser.add_argument("--lock", action="store_true", help="write the locks anew, run nothing")
    given = parser.parse_args()
    every = read_clients()
    chosen = [one for one in every if not given.clients or one.name in given.clients]
    if unknown := set(given.clients) - {one.name for one in every}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    if given.lock:
        write_locks(chosen)
        return 0

    # As Ctrl-C does: the server that is running is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    install(chosen)
    found = _try(chosen)
    say(summary(found))
    if not given.clients:
        write_results(found)
        write_documents(found)
    return 0 if all(one.ok for client in found for one in client.checks) else 1


def _try(clients: Sequence[Client]) -> list[Found]:
    home = FOLDER / "home"
    settings = make_home(home, vanilla=locate(CATALOG["vanilla"], read_settings(os.environ).home))
    tokeniser = load_tokeniser(home)
    records: dict[str, list[Found]] = {client.name: [] for client in clients}
    with closing(open_library(read_settings(settings))) as library:
        for kind in KINDS:
            chosen = [client for client in clients if kind in client.kinds]
            if not chosen:
                continue
            with serve(kind, settings, FOLDER / f"{kind}.log") as served:
                expected = FOLDER / f"expected-{kind}.json"
                expected.write_text(json.dumps(expect(served, library, tokeniser)))
                for client in chosen:
                    say(f"{client.title}, {kind} ...")
                    records[client.name].append(_run(client, served, expected))
    return [merge(parts) for parts in records.values()]


def _run(client: Client, served: Served, expected: Path) -> Found:
    """Run the script of one client; a script that ends early is a check that failed."""
    arguments = ["--url", served.url, "--kind", served.kind, "--expected", expected]
    log = FOLDER / f"{client.name}-{served.kind}.log"
    with log.open("w") as sink:
        try:
            done = subprocess.run(
                [*client.command, *arguments, *(["--key", served.key] if served.key else [])],
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                timeout=_CLIENT_S,
            )
        except subprocess.TimeoutExpired:
            return Found(client.name, "", [Checked("script", "ends in time", ok=False)])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    version = next((line["version"] for line in lines if "version" in line), "")
    checks = [Checked.read(line, served.kind) for line in lines if "check" in line]
    if done.returncode or not checks:
        said = log.read_text()[-500:]
        checks.append(Checked("script", f"runs ({served.kind})", ok=False, detail=said))
    return Found(client.name, version, checks)


def _environment() -> dict[str, str]:
    """Nothing of ours that a client could read: no key, no proxy, no folder of modules."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | variables()


if __name__ == "__main__":
    sys.exit(main())

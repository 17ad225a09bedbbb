"""Hostile names at the doors: as uploads over HTTP, and as files on a disk that are embedded."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
from starlette.testclient import TestClient
from tests.faces.commands import BINDERY

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.settings import Settings
from bindery.vectors import load

ROUTES = {"/files/upload": 201, "/v1/files": 200}
"""Where files are uploaded to, and what an upload that is kept is answered with."""

REFUSED = frozenset({400, 413, 422})
_CONTENTS = (
    b"Words.",
    b"Others.",
    b"%PDF-1.7\nbroken",
    b"\0\1\2",
    b"",
    b"{\\rtf1 words {\\pict 00}}",
)
"""So that some are told of with an error, some with a warning."""
_LONGEST = 255
"""Bytes: what a name in a folder may have on Linux."""


def tree(folder: Path) -> set[bytes]:
    """All that lies under a folder, by the bytes of its path."""
    return {
        os.path.join(where, name)  # noqa: PTH118 - names of bytes are no Path
        for where, folders, names in os.walk(os.fsencode(folder))
        for name in (*folders, *names)
    }


def upload(names: Iterable[str], place: Path) -> Counter[str]:
    """Upload a file of each name to each route, then list and fetch all that were kept.

    ``place`` is an empty folder. Raises AssertionError for any answer but a result or a clear
    error, and where something is written beside the data folder in it.
    """
    settings = Settings(home=place / "home")
    settings.home.mkdir()
    above = place.parent.parent
    before = tree(above)
    outcomes: Counter[str] = Counter()
    kept: set[str] = set()
    with TestClient(
        create_app(Library(settings.home), settings), base_url="http://127.0.0.1"
    ) as client:
        for number, name in enumerate(names):
            for route, created in ROUTES.items():
                answer = client.post(route, content=_form(name, number), headers=_FORM)
                outcomes[f"{route} {answer.status_code}"] += 1
                assert answer.status_code in {created, *REFUSED}, (name, answer.text)
                assert "Traceback" not in answer.text
                if answer.status_code == created:
                    kept.add(answer.json().get("file_id") or answer.json()["id"])
                else:
                    assert answer.json()
        assert {one["id"] for one in _listed(client)} >= kept
        for file_id in kept:
            answer = client.get(f"/v1/files/{file_id}/content")
            assert answer.status_code == 200
            assert answer.headers["content-disposition"].isprintable()
    made = tree(above) - before
    assert all(path.startswith(os.fsencode(settings.home)) for path in made)
    assert not any(b"evil" in path or b".." in path for path in made)
    outcomes["kept"] = len(kept)
    return outcomes


def _listed(client: TestClient) -> Iterator[dict[str, str]]:
    last = ""
    while True:
        page = client.get("/v1/files", params={"after": last} if last else {}).json()
        yield from page["data"]
        if not page["has_more"]:
            return
        last = page["last_id"]


_FORM = {"content-type": "multipart/form-data; boundary=XyZ"}


def _form(name: str, number: int) -> bytes:
    filename = name.encode("utf-8", "surrogatepass").replace(b'"', b"%22")
    return (
        b'--XyZ\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
        b"content %d\r\n--XyZ--\r\n" % (filename, number)
    )


def embed(names: Iterable[str], place: Path) -> Counter[str]:
    """Embed files of these names, as far as a disk holds them, as a folder and one by one.

    ``place`` is an empty folder. Raises AssertionError where a file is missing in what is told,
    something is written elsewhere, or what is said could move a terminal's cursor.
    """
    folder, out = place / "in", place / "out"
    files = _write(names, folder)
    before = tree(place)
    ended = _run(folder, "--out", out, "--hidden", "--format", "jsonl", cwd=place)
    report = orjson.loads((out / "report.json").read_bytes())
    assert ended.returncode == (4 if report["failed"] else 0), ended.stderr
    assert all(one["code"] and one["message"] for one in report["failed"])
    assert report["files_done"] + len(report["failed"]) + len(report["skipped"]) == len(files)
    records = [orjson.loads(line) for line in (out / "embeddings.jsonl").read_bytes().splitlines()]
    assert len({one["file"] for one in records}) == report["files_done"]
    assert len({one["id"] for one in records}) == len(records)
    made = tree(place) - before
    assert {path for path in made if not path.startswith(os.fsencode(out))} == set()

    some = files[:500]
    ended = _run("--out", place / "some.parquet", "--", *some, cwd=folder)
    assert ended.returncode in {0, 4}, ended.stderr
    assert len(load(place / "some.parquet")) > len(some) // 3
    assert tree(place) - before - made == {os.fsencode(place / "some.parquet")}
    return Counter(
        {
            "on disk": len(files),
            "done": report["files_done"],
            **Counter(one["code"] for one in report["failed"]),
            "skipped": len(report["skipped"]),
            "warnings": len(report["warnings"]),
            "one by one": len(some),
        }
    )


def _run(*arguments: bytes | str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [*BINDERY, "embed", *arguments], capture_output=True, cwd=cwd, timeout=600, check=False
    )
    said = [part.decode() for part in (ended.stdout, ended.stderr)]
    for line in "".join(said).split("\n"):
        assert line.isprintable(), line
        assert line[:3] != "EVL", "a name has made a line of its own"
    return subprocess.CompletedProcess(ended.args, ended.returncode, *said)


def _write(names: Iterable[str], folder: Path) -> list[bytes]:
    """Write a file of each name that a disk holds, every third in a folder of its name."""
    made: list[bytes] = []
    here = os.fsencode(folder)
    for number, name in enumerate(names):
        try:
            plain = os.fsencode(name)  # half a pair of surrogates stands for a byte, or cannot
        except UnicodeEncodeError:
            plain = name.encode("utf-8", "surrogatepass")
        plain = plain.replace(b"/", b"").replace(b"\0", b"").replace(b"\n", b"\nEVL")[:_LONGEST]
        path = os.path.join(plain[:-1] + b"~", plain) if number % 3 == 0 else plain  # noqa: PTH118
        target = os.path.join(here, path)  # noqa: PTH118
        beside = os.path.dirname(target)  # noqa: PTH120
        if plain.strip(b".") and not os.path.lexists(target) and not os.path.isfile(beside):  # noqa: PTH113
            os.makedirs(beside, exist_ok=True)  # noqa: PTH103
            with open(target, "wb") as file:  # noqa: PTH123
                file.write(_CONTENTS[number % len(_CONTENTS)])
            made.append(path)
    return made

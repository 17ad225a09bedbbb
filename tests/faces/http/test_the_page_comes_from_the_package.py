"""The page at `/`: its files, their headers and sizes. Browsers try it with `make test-page`."""

import gzip
import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from starlette.testclient import TestClient

import bindery.faces.http

FOLDER = Path(bindery.faces.http.__file__).parent / "page"
NAMES = sorted(path.name for path in FOLDER.iterdir())
ROOT = Path(__file__).parents[3]

FIRST_VIEW_BYTES = 100_000
OPENED_BY_MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b")


@pytest.mark.parametrize("path", ["/", "/view/default/file-1?span=0-5"])
def test_the_page_runs_only_its_own_scripts_and_styles(bare: TestClient, path: str) -> None:
    answer = bare.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|style=|\son\w+=|<script>", answer.text)


def test_every_file_of_the_page_is_served_and_names_no_other_site(bare: TestClient) -> None:
    for name in [*NAMES, "sample.md"]:
        answer = bare.get(f"/page/{name}")
        assert answer.status_code == 200, name
        if name != "sample.md":
            assert not re.search(r"https?://(?!www\.w3\.org)", answer.text), name
        again = bare.get(f"/page/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), name
    assert bare.get("/page/nothing.js").json()["error"]["code"] == "not_found"
    assert bare.get("/page/..%2fpage_files.py").status_code == 404


def test_the_text_of_documents_never_becomes_markup() -> None:
    scripts = [path for path in FOLDER.iterdir() if path.suffix == ".js"]
    assert scripts
    for path in scripts:
        assert not OPENED_BY_MARKUP.search(path.read_text(encoding="utf-8")), path.name


def test_all_files_of_the_page_together_are_small() -> None:
    sizes = [len(gzip.compress(path.read_bytes())) for path in FOLDER.iterdir()]
    assert sum(sizes) < FIRST_VIEW_BYTES


def test_the_wheel_has_the_files_of_the_page() -> None:
    found = WheelBuilder(str(ROOT)).recurse_included_files()
    paths = {Path(file.relative_path).as_posix() for file in found}
    assert {f"src/bindery/faces/http/page/{name}" for name in NAMES} <= paths

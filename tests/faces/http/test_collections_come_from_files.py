"""Collections are exported and imported over HTTP: complete, or not at all."""

import threading
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish

from bindery.encoders.pending import Cancellation
from bindery.errors import Abandoned
from bindery.faces.http.routes import exchange
from bindery.library import Library
from bindery.search.collection import Collections
from bindery.search.exchange import sweep_drafts
from bindery.search.foreign import import_collection

LINES = b'{"text": "Oak lasts for centuries.", "year": 2020}\n{"text": "Rain.", "id": "rain"}\n'


def send(client: TestClient, name: str, file: tuple[str, bytes], **fields: str):
    return client.post(f"/collections/{name}/import", files={"file": file}, data=fields)


def names(client: TestClient) -> set[str]:
    return {one["name"] for one in client.get("/collections").json()["collections"]}


def hits(client: TestClient, name: str) -> list[tuple[object, ...]]:
    answer = client.post(f"/collections/{name}/search", json={"query": "How long does oak last?"})
    found = answer.json()["hits"]
    return [(one["file"], one["id"], one["score"], one["attributes"]) for one in found]


def test_json_lines_and_what_was_exported_become_collections(client):
    made = send(client, "trees", ("trees.jsonl", LINES))
    assert made.status_code == 201, made.text
    assert made.json() == {"collection": "trees", "files": 2, "chunks": 2}
    assert made.headers["location"] == "/collections/trees"
    assert [file for file, *_ in hits(client, "trees")] == ["trees:1", "rain"]
    for kind in ("parquet", "arrow"):
        written = client.get(f"/collections/trees/export?format={kind}")
        again = send(client, kind, (f"trees.{kind}", written.content))
        assert again.status_code == 201, again.text
        assert hits(client, kind) == hits(client, "trees")
        assert client.get(f"/collections/{kind}/export?format={kind}").status_code == 200
    added = client.post("/collections/trees/files", files={"file": ("fir.txt", b"Firs grow.")})
    assert finish(client, added.json()["job_id"])["state"] == "done"
    for name in ("trees", "parquet", "arrow"):
        client.delete(f"/collections/{name}")


@pytest.mark.parametrize(
    ("file", "fields", "says"),
    [
        (("trees.txt", LINES), {}, "'trees.txt' cannot be imported."),
        (("trees.jsonl", b'{"text": "a"}\n{"text": 1}'), {}, "trees.jsonl, line 2: no text."),
        (("trees.jsonl", LINES), {"model": "nothing"}, "nothing"),
        (("trees.parquet", b"PAR1" + b"\0" * 40 + b"PAR1"), {}, "'trees.parquet' does not hold"),
        (("trees.parquet", LINES), {}, "'trees.parquet' does not hold"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(client, settings, file, fields, says):
    before = names(client)
    answer = send(client, "wrong", file, **fields)
    assert 400 <= answer.status_code < 500
    assert says in answer.json()["error"]["message"]
    assert str(settings.home) not in answer.text
    assert names(client) == before
    assert [*(settings.home / "files" / "incoming").iterdir()] == []


def test_a_collection_is_not_overwritten(client):
    assert send(client, "trees", ("trees.jsonl", LINES)).status_code == 201
    again = send(client, "trees", ("trees.jsonl", LINES))
    assert (again.status_code, again.json()["error"]["param"]) == (400, "name")
    client.delete("/collections/trees")


def test_a_client_that_leaves_leaves_nothing(client, library: Library, tmp_path):
    """The import ends before the next file, and its draft is deleted."""
    path, left = tmp_path / "trees.jsonl", Cancellation()
    path.write_bytes(LINES * 500)
    seen = threading.Event()
    services = client.app.state.services

    def check() -> None:
        if seen.is_set():
            left.cancel()
        seen.set()
        exchange._check(services, left)

    before = names(client)
    with pytest.raises(Abandoned):
        import_collection(Collections(library), "left", path, check=check)
    assert names(client) == before


def test_what_a_killed_import_leaves_is_deleted(client, library: Library, tmp_path):
    (tmp_path / "trees.jsonl").write_bytes(LINES)
    collections = Collections(library)
    import_collection(collections, "trees", tmp_path / "trees.jsonl")
    recipe = replace(collections.get("trees").recipe, owner="import:ab12")
    collections.create("import ab12", recipe)  # as the process left it
    sweep_drafts(collections)
    assert "import ab12" in names(client)
    sweep_drafts(collections, age_s=0)
    assert names(client) >= {"trees"}
    assert "import ab12" not in names(client)
    client.delete("/collections/trees")

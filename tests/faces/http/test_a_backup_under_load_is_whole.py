"""A backup that is made while a server adds, changes and deletes, restored into another home."""

import json
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish
from tests.homes import home_with

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.settings import Settings
from bindery.store import derived, placements
from bindery.store.backup import make_backup, restore_backup
from bindery.workspace import Workspace

_VERSIONS = 10
_RESTORED = 4
KEPT, CHANGED = "kept", "changed"


def text_of(n: int, version: int) -> bytes:
    return f"Oak number {n} of version {version} lasts for {n + 100} years. ".encode() * 60


def add(client: TestClient, collection: str, numbers: range, version: int) -> None:
    """Add files and wait until they are found."""
    sent = [("file", (f"{n}.txt", text_of(n, version), "text/plain")) for n in numbers]
    given = {"attributes": json.dumps({"version": version})}
    answer = client.post(f"/collections/{collection}/files", files=sent, data=given)
    assert finish(client, answer.json()["job_id"])["state"] == "done"


def all_of(workspace: Workspace, name: str) -> dict[str, tuple]:
    """The files of a collection: their content, attributes, chunks, and bytes of vectors."""
    collection, library = workspace.collections.get(name), workspace.library
    found: dict[str, tuple] = {}
    with library.database.reading() as connection:
        files = {file.number: file for file in collection.files()}
        for one in placements.list_placements(connection, collection.stored.generation):
            file = files[one.file]
            chunk_set = derived.find_chunks(connection, one.chunk_set)
            assert chunk_set is not None
            chunks = [c for part in derived.read_chunks(connection, one.chunk_set) for c in part]
            keys = collection.recipe.vector_keys(chunks, chunk_set.document)
            vectors = derived.find_vectors(connection, keys)
            with library.files.open(file.source) as stored:
                content = stored.read()
            rows = [vectors[key].rows for key in keys]
            found[file.name] = (content, dict(file.attributes), chunks, rows)
    return found


@pytest.mark.slow
def test_a_backup_under_load_has_every_file_and_vector(minilm_folder, tmp_path: Path) -> None:
    home = home_with(minilm_folder, tmp_path / "home")
    options = ModelOptions(precision="f32", threads=1)
    library, made = Library(home, options), list[Path]()
    app = create_app(library, Settings(home=home, precision="f32"))

    over = threading.Event()

    def back_up() -> None:
        while not over.is_set():
            target = tmp_path / f"backup {len(made)}"
            assert make_backup(home, target).missing == ()
            made.append(target)

    with TestClient(app, base_url="http://127.0.0.1") as client:
        for version, name in enumerate((KEPT, CHANGED)):
            assert client.post("/collections", json={"name": name}).status_code == 201
            add(client, name, range(10), version)
        before = all_of(Workspace(library), KEPT)
        maker = threading.Thread(target=back_up)
        maker.start()
        for version in range(2, _VERSIONS):
            add(client, CHANGED, range(version % 4, 10, 3), version)
            stored = client.get(f"/collections/{CHANGED}/files").json()["files"]
            client.delete(f"/files/{stored[version % len(stored)]['file_id']}")
            found = client.post(f"/collections/{KEPT}/search", json={"query": "oak"})
            assert found.json()["hits"]
        over.set()
        maker.join()

    assert len(made) > 1
    for n, backup in enumerate(made[:: max(1, len(made) // _RESTORED)]):
        restored = tmp_path / f"restored {n}"
        restore_backup(backup, restored)
        home_with(minilm_folder, restored)  # models are not in a backup
        with Workspace(Library(restored, options)) as elsewhere:
            assert all_of(elsewhere, KEPT) == before
            for name, (content, attributes, chunks, vectors) in all_of(elsewhere, CHANGED).items():
                assert content == text_of(int(name.removesuffix(".txt")), attributes["version"])
                rows = elsewhere.embed(chunks).embeddings.rows
                assert [row.tobytes() for row in rows] == vectors
            assert elsewhere.search("How long does oak 3 last?", KEPT).hits

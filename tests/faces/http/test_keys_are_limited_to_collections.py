"""Scenario 13: what a key limited to a collection is answered about others, on every route.

Answers about a collection or a file that it may not see are those about one that does not exist.
"""

import re
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.homes import home_with

import bindery.faces.http
from bindery.faces.http.app import create_app
from bindery.faces.http.gate.access import ACCESS, Scope
from bindery.jobs import JobRequest
from bindery.library import DEFAULT_MODEL, Library
from bindery.options import ModelOptions
from bindery.search.adding import Addition, AddOptions, add_local
from bindery.settings import Settings
from bindery.store.keys import KeyStore

MINE, OTHER, NOTHING = "mine", "other", "nothing"
NO_FILE = "0" * 64
TEXT = {MINE: "The heliotrope turns to the sun.", OTHER: "The quetzal sleeps at noon."}

BODIES = {
    "POST /collections/{name}/search": {"query": "quetzal"},
    "POST /collections/{name}/why-not": {"query": "quetzal", "quote": "sleeps"},
    "PATCH /collections/{name}": {"weight": 0.5},
    "PATCH /collections/{name}/files/{file:path}": {"attributes": {}},
    "POST /collections/{name}/files": {"file_ids": [NO_FILE]},
    "POST /collections/{name}/local/{verb}": {"paths": ["/"]},
    "POST /collections/{name}/files/remove": {"files": ["1"]},
    "POST /collections/{name}/files/{file_id}/tokens": {"query": "quetzal", "start": 0, "end": 1},
    "POST /collections/{name}/rebuild": {"size": 32},
    "POST /collections/{name}/rebuild/estimate": {"size": 32},
    "POST /collections/{name}/rollback": {},
    "POST /collections/{name}/marks": {"query": "quetzal", "id": "00"},
    "POST /collections/{name}/evaluations": {"questions": [{"question": "a", "file": "b"}]},
}
"""The bodies of routes of a collection. Routes that need none have no line."""


@pytest.fixture(scope="module")
def app(minilm_folder, tmp_path_factory):
    home = home_with(minilm_folder, tmp_path_factory.mktemp("limited"))
    KeyStore(home).create("first", list(Scope))
    settings = Settings(home=home, precision="f32")
    app = create_app(Library(home, ModelOptions(precision="f32")), settings)
    with TestClient(app, base_url="http://127.0.0.1"):
        yield app


@pytest.fixture(scope="module")
def asks(app):
    """Makes a client with a key, which may be limited to collections."""
    keys = KeyStore(app.state.services.settings.home)

    def asks(*collections: str) -> TestClient:
        scopes = set(Scope) - ({Scope.ADMIN} if collections else set())
        _, text = keys.create("one", scopes, collections or None)
        headers = {"x-api-key": text.reveal()}
        client = TestClient(app, base_url="http://127.0.0.1", headers=headers)
        while client.get("/collections").status_code == 401:
            time.sleep(0.05)  # a running server looks at the file twice a second
        return client

    return asks


def added(client: TestClient, collection: str, **parts: object) -> None:
    answer = client.post(f"/collections/{collection}/files", **parts)
    assert answer.status_code == 202, answer.text
    while client.get(answer.headers["location"]).json()["state"] not in ("done", "failed"):
        time.sleep(0.05)


@pytest.fixture(scope="module")
def files(asks):
    """The stored files of both collections, by their names."""
    everything = asks()
    for name, text in TEXT.items():
        assert everything.post("/collections", json={"name": name}).status_code == 201
        added(everything, name, files=[("file", (f"{name}.txt", text))])
    found = everything.get("/files").json()["files"]
    return {Path(one["filename"]).stem: one["file_id"] for one in found}


@pytest.fixture(scope="module")
def limited(asks, files):
    return asks(MINE)


def told(answer, *names: str) -> tuple[int, str]:
    """An answer without what the question named."""
    text = answer.text
    for name in names:
        text = text.replace(name, "NAME")
    return answer.status_code, text


def test_a_collection_of_others_is_as_one_that_is_not_there(limited, asks, files):
    makes_one = "POST /collections/{name}/import"
    lines = [line for line in ACCESS if "/collections/{name}" in line and line != makes_one]
    assert set(BODIES) <= set(lines)
    for line in lines:
        method, path = line.split(" ")
        answers = []
        for name in (OTHER, NOTHING):
            address = re.sub(r"{.*?}", "1", path.replace("{name}", name))
            answers.append(told(limited.request(method, address, json=BODIES.get(line)), name))
        assert answers[0] == answers[1], line
        assert answers[0][0] == 404, line
        assert OTHER not in answers[0][1], line
    assert asks().get(f"/collections/{OTHER}/files").json()["total_files"] == 1


def test_a_vector_store_of_others_is_as_one_that_is_not_there(limited, asks, files):
    stores = {one["name"]: one["id"] for one in asks().get("/v1/vector_stores").json()["data"]}
    seen = limited.get("/v1/vector_stores").json()["data"]
    assert [one["id"] for one in seen] == [stores[MINE]]
    none = f"{stores[OTHER][:-4]}0000"
    for line in [line for line in ACCESS if "{store_id}" in line]:
        method, path = line.split(" ")
        body = {"query": "x", "file_ids": [files[MINE]], "file_id": files[MINE], "attributes": {}}
        answers = []
        for store in (stores[OTHER], none):
            address = path.replace("{store_id}", store).replace("{file_id}", files[OTHER])
            address = address.replace("{batch_id}", "vsfb_1")
            answers.append(told(limited.request(method, address, json=body), store))
        assert answers[0] == answers[1], line
        assert answers[0][0] == 404, line


def test_other_doors_show_the_same_collections(limited, files):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    headers = {"accept": "application/json, text/event-stream"}
    for name, arguments in [
        ("list_collections", {}),
        ("search", {"query": "quetzal"}),
        ("search_documents", {"query": "quetzal", "collection": OTHER}),
    ]:
        body = {**call, "params": {"name": name, "arguments": arguments}}
        answer = limited.post("/mcp", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert TEXT[OTHER] not in answer.text, name
        assert f"{OTHER}.txt" not in answer.text, name


def test_a_file_of_others_is_as_one_that_is_not_there(limited, files):
    for method, path in [
        ("GET", "/files/{}"),
        ("DELETE", "/files/{}"),
        ("GET", "/v1/files/{}"),
        ("GET", "/v1/files/{}/content"),
        ("DELETE", "/v1/files/{}"),
        ("GET", "/chunk/fixed/file/{}"),
        ("GET", "/v1/files?after={}"),
    ]:
        other, none = (
            told(limited.request(method, path.format(one)), one) for one in (files[OTHER], NO_FILE)
        )
        assert other == none, (method, path)
        assert other[0] in (400, 404), (method, path)
    for path, field in [("/jobs", "files"), (f"/collections/{MINE}/files", "file_ids")]:
        other, none = (
            told(limited.post(path, json={field: [one]}), one) for one in (files[OTHER], NO_FILE)
        )
        assert other == none, path
        assert other[0] == 404, path


def test_lists_have_what_the_key_may_see(limited, files):
    assert [one["name"] for one in limited.get("/collections").json()["collections"]] == [MINE]
    assert [one["file_id"] for one in limited.get("/files").json()["files"]] == [files[MINE]]
    assert [one["id"] for one in limited.get("/v1/files").json()["data"]] == [files[MINE]]
    assert limited.get("/jobs").json()["jobs"] == []
    hits = limited.post(f"/collections/{MINE}/search", json={"query": "quetzal"}).json()["hits"]
    assert [hit["file"] for hit in hits] == ["mine.txt"]
    assert limited.get(f"/v1/files/{files[MINE]}/content").text == TEXT[MINE]


def test_names_of_others_are_neither_taken_nor_free(limited, files):
    for method, path in (("POST", "/collections"), ("PATCH", f"/collections/{MINE}")):
        other, none = (
            told(limited.request(method, path, json={"name": name}), name)
            for name in (OTHER, NOTHING)
        )
        assert other == none
        assert other[0] == 400


def test_uploads_are_seen_by_the_key_that_sent_them(limited, asks, files):
    # The content is that of the other collection: nothing shows that it is there already.
    upload = {"file": ("guess.txt", TEXT[OTHER])}
    sent = limited.post("/files/upload", files=upload).json()
    again = limited.post("/files/upload", files=upload).json()
    assert len({sent["file_id"], again["file_id"], files[OTHER]}) == 3
    assert asks(OTHER).get(f"/files/{sent['file_id']}").status_code == 404
    assert asks().get(f"/files/{sent['file_id']}").status_code == 200
    added(limited, MINE, json={"file_ids": [sent["file_id"]]})
    receipt = limited.delete(f"/collections/{MINE}/files/guess.txt").json()["receipt"]
    kept = {(one["kind"], one["collection"]) for one in receipt["kept"]}
    assert kept == {("stored file", "")}
    assert OTHER not in str(receipt)
    assert files[OTHER] not in str(receipt)
    for one in (sent, again):
        assert limited.delete(f"/files/{one['file_id']}").status_code == 200
    # A file that it sees, but has not uploaded, is not its to delete.
    assert limited.delete(f"/files/{files[MINE]}").status_code == 404
    assert asks().get("/files").json()["total_files"] == 2


def test_routes_reach_collections_and_files_through_the_gate():
    folder = Path(bindery.faces.http.__file__).parent
    for path in [*folder.glob("routes/*.py"), *folder.glob("dialects/*.py")]:
        found = re.findall(r"all_collections|library\.files\b", path.read_text())
        assert not found, f"{path.name}: use collections_of or files_of in place of {found[0]}"


def test_vector_stores_and_other_doors_show_no_other_collection(asks, files):
    everything, limited = asks(), asks(MINE)
    stores = "/v1/vector_stores"
    assert [one["collection"] for one in limited.get(stores).json()["data"]] == [MINE]
    found = {one["collection"]: one["id"] for one in everything.get(stores).json()["data"]}
    for hidden in (OTHER, found[OTHER]):
        never = f"vs_{'0' * 26}" if hidden.startswith("vs_") else NOTHING
        for method, path, body in [
            ("GET", "", None),
            ("DELETE", "", None),
            ("POST", "", {"name": "x"}),
            ("POST", "/search", {"query": "quetzal"}),
            ("GET", "/files", None),
            ("POST", "/files", {"file_id": NO_FILE}),
        ]:
            answer, like = (
                limited.request(method, f"{stores}/{one}{path}", json=body)
                for one in (hidden, never)
            )
            assert answer.status_code == like.status_code == 404, (method, path)
            assert answer.text.replace(hidden, never) == like.text
        setting = {"top_k": 1, "score_threshold": 0}
        asked = {"knowledge_id": hidden, "query": "quetzal", "retrieval_setting": setting}
        assert limited.post("/retrieval", json=asked).status_code == 404
    web = limited.post(f"/open-webui/{OTHER}", json={"query": "quetzal", "count": 1})
    assert web.status_code == 404
    assert limited.post(stores, json={"name": OTHER}).status_code == 400
    assert limited.post(stores, json={}).status_code == 400


def test_a_refused_upload_of_librechat_leaves_no_file(limited, asks, files):
    before = limited.get("/files").json()
    sent = {"file": ("a.txt", b"a"), "file_id": (None, "a-1")}
    assert limited.post("/librechat/embed", files=sent).status_code == 400
    assert limited.get("/files").json() == before
    assert asks().get("/collections/librechat").status_code == 404


def test_paths_of_the_server_are_for_admin_keys_alone(app, asks, tmp_path):
    path, name = tmp_path / "local.txt", "on-disk"
    path.write_text("The heliotrope blooms.")
    wanted = Addition(name, [str(path)], JobRequest(("-",), DEFAULT_MODEL), AddOptions(), None)
    add_local(app.state.services.all_collections, wanted)
    admin, limited = asks(), asks(name)
    _, text = KeyStore(app.state.services.settings.home).create("plain", [Scope.SEARCH])
    plain = TestClient(app, base_url="http://127.0.0.1", headers={"x-api-key": text.reveal()})
    for client, shown in [(admin, True), (limited, False), (plain, False)]:
        while (answer := client.get(f"/collections/{name}/files")).status_code == 401:
            time.sleep(0.05)
        (file,) = answer.json()["files"]
        assert file["source"] == (str(path) if shown else file["file_id"])
        assert (str(tmp_path) in answer.text) == shown
    address = f"/collections/{name}/files/{file['file']}"
    changed = limited.patch(address, json={"attributes": {"year": 1}})
    assert changed.status_code == 200, changed.text
    assert str(tmp_path) not in changed.text
    admin.delete(f"/collections/{name}")


def test_a_limited_key_imports_its_own_collections_alone(asks, files):
    new = "quails"
    limited, sent = asks(MINE, new), {"file": ("quails.jsonl", b'{"text": "Quails run."}')}
    refused = limited.post("/collections/other name/import", files=sent).json()["error"]
    assert refused["param"] == "name"
    taken = limited.post(f"/collections/{OTHER}/import", files=sent).json()["error"]
    assert taken["message"].replace(OTHER, "other name") == refused["message"]
    assert limited.post(f"/collections/{new}/import", files=sent).status_code == 201
    assert limited.get(f"/collections/{new}").json()["files"] == 1
    assert limited.delete(f"/collections/{new}").status_code == 200


def test_a_file_has_the_name_that_it_has_in_the_collections_of_the_key(limited, asks, files):
    # Somebody else uploads the same content: the stored file has their name from then on.
    again = asks().post("/files/upload", files={"file": ("hidden-name.txt", TEXT[MINE])}).json()
    assert again["file_id"] == files[MINE]
    assert asks().get(f"/files/{files[MINE]}").json()["filename"] == "hidden-name.txt"

    job = limited.post("/jobs", json={"files": [files[MINE]]}).headers["location"]
    while limited.get(job).json()["state"] not in ("done", "failed"):
        time.sleep(0.05)
    added(limited, MINE, json={"file_ids": [files[MINE]]})
    for path in (
        "/files",
        f"/files/{files[MINE]}",
        "/v1/files",
        f"/v1/files/{files[MINE]}",
        f"/v1/files/{files[MINE]}/content",
        f"/chunk/fixed/file/{files[MINE]}",
        f"{job}/files",
        f"{job}/results?format=jsonl",
        f"/collections/{MINE}/files",
        f"/v1/vector_stores/{MINE}/files",
    ):
        answer = limited.get(path)
        assert answer.status_code == 200, path
        assert "hidden-name" not in answer.text + str(answer.headers), path
    names = [one["file"] for one in limited.get(f"/collections/{MINE}/files").json()["files"]]
    assert names == ["mine.txt"]

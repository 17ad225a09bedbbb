"""Collections over HTTP: changed, rebuilt by another recipe, taken back, verified, and dropped."""

from tests.faces.http.jobs_asked import finish, keep

TEXT = "# Keys\n\nA heliotrope turns to the sun.\n\n" + "Paper is thin, and it is bound. " * 60


def made(client, name, text=TEXT):
    client.post("/collections", json={"name": name})
    file_id = keep(client, text, f"{name}.md")
    added = client.post(f"/collections/{name}/files", json={"file_ids": [file_id]}).json()
    assert finish(client, added["job_id"])["state"] == "done"


def test_a_collection_is_renamed_and_keeps_a_weight(client):
    made(client, "one")
    changed = client.patch("/collections/one", json={"name": "uno", "weight": 0.2})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["weight"]) == ("uno", 0.2)
    assert client.get("/collections/one").status_code == 404
    found = client.post("/collections/uno/search", json={"query": "heliotrope"}).json()
    assert found["hits"]
    assert client.patch("/collections/uno", json={"unset": ["weight"]}).json()["weight"] is None
    for body in ({"weight": 2}, {"wieght": 0.2}, {"unset": ["size"]}, {"name": "a/b"}):
        assert client.patch("/collections/uno", json=body).status_code == 400, body


def test_a_collection_is_rebuilt_and_taken_back(client):
    made(client, "two")
    before = client.get("/collections/two").json()
    estimate = client.post("/collections/two/rebuild/estimate", json={"size": 32}).json()
    assert estimate["files"] == 1
    assert estimate["chunks"] > before["chunks"]

    answer = client.post("/collections/two/rebuild", json={"size": 32})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['job_id']}"
    assert finish(client, answer.json()["job_id"])["state"] == "done"

    after = client.get("/collections/two").json()
    assert (after["size"], after["files_missing"]) == (32, 0)
    assert after["chunks"] > before["chunks"]
    found = client.post("/collections/two/search", json={"query": "heliotrope"}).json()
    assert found["generation"] == answer.json()["generation"]
    listed = client.get("/collections/two/generations").json()["generations"]
    assert [one["state"] for one in listed] == ["former", "active"]
    assert listed[1]["comparison"]["queries"] > 0

    back = client.post("/collections/two/rollback", json={})
    assert (back.status_code, back.json()["job_id"]) == (202, None)
    assert client.get("/collections/two").json()["size"] == before["size"]
    assert client.delete("/collections/two/generations").json() == {"dropped": 1}
    assert client.post("/collections/two/rollback", json={}).status_code == 400
    assert client.post("/collections/two/rebuild", json={"size": before["size"]}).status_code == 400


def test_an_index_is_verified_and_made_again(client):
    made(client, "three")
    verified = client.post("/collections/three/verify").json()
    assert (verified["is_sound"], verified["files"]) == (True, 1)
    again = client.post("/collections/three/rebuild", json={})
    assert (again.status_code, again.json()["job_id"]) == (202, None)
    assert client.post("/collections/three/verify").json()["is_sound"] is True

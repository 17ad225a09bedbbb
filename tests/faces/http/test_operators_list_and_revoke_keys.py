"""``/keys``: what an operator sees of API keys, and how one is taken back."""

from pathlib import Path

from starlette.testclient import TestClient

from bindery.store.keys import KeyStore, Scope


def test_keys_are_listed_without_secrets_and_revoked(bare: TestClient, bare_home: Path) -> None:
    assert bare.get("/keys").json() == {"total_keys": 0, "keys": []}
    store = KeyStore(bare_home)
    _, admin = store.create("admin", [Scope.ADMIN])
    reader, text = store.create("reader", [Scope.SEARCH])
    headers = {"x-api-key": admin.reveal()}
    while bare.get("/keys").status_code == 200:
        pass  # half a second, until the server has seen the first key
    listed = bare.get("/keys", headers=headers)
    assert reader.digest not in listed.text
    assert text.reveal() not in listed.text
    found = {one["name"]: one for one in listed.json()["keys"]}
    assert found["reader"] | {"created_at": ""} == {
        "id": reader.id,
        "name": "reader",
        "scopes": ["search"],
        "collections": None,
        "created_at": "",
    }
    assert bare.get("/keys", headers={"x-api-key": text.reveal()}).status_code == 403
    assert bare.delete(f"/keys/{reader.id}", headers=headers).json()["revoked"] is True
    assert [key.name for key in store.read()] == ["admin"]
    again = bare.delete(f"/keys/{reader.id}", headers=headers)
    assert again.json()["error"]["code"] == "unknown_key"

"""What an operator sees of API keys, settings and the disk, and how a key is taken back."""

import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.faces.http.conftest import ADDRESS

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.settings import find_settings
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


def test_settings_come_with_their_origins_and_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = find_settings({"BINDERY_HOME": str(tmp_path), "BINDERY_PORT": "8123", **os.environ})
    app = create_app(Library(tmp_path), found.settings, origins=found.origins)
    with TestClient(app, base_url=ADDRESS) as client:
        answer = client.get("/settings")
        rows = {row["key"]: row for row in answer.json()["settings"]}
        assert rows["port"] == {
            "key": "port",
            "value": "8123",
            "origin": "environment BINDERY_PORT",
            "variable": "BINDERY_PORT",
            "flag": "--port",
        }
        assert rows["max_requests"]["origin"] == "default"
        assert rows["token"]["value"] == "present"
        assert "hf_secret" not in answer.text


def test_the_disk_is_shown_by_its_parts(bare: TestClient) -> None:
    bare.post("/files/upload", files={"file": ("a.md", b"# Paper")})
    found = bare.get("/disk").json()
    assert found["free_bytes"] > 0
    sizes = [part["size_bytes"] for part in found["parts"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {"bindery.db", "files"} <= {part["path"] for part in found["parts"]}

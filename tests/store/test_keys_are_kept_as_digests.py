"""API keys: shown once, kept as digests, refused once revoked, and never open by accident."""

import hashlib
import hmac
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from bindery.errors import InvalidValue, StorageError, UnknownKey
from bindery.store import keys
from bindery.store.keys import KeyRing, KeyStore, Scope


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "home")


def ring(store: KeyStore) -> KeyRing:
    return KeyRing(store, recheck_s=0)


def test_a_key_opens_what_it_was_made_for(store):
    key, text = store.create("laptop", [Scope.EMBED, Scope.FILES])
    store.create("other", [Scope.ADMIN])

    found = ring(store).find(text.reveal())

    assert found == key
    assert found.scopes == {Scope.EMBED, Scope.FILES}
    assert [one.name for one in store.read()] == ["laptop", "other"]


def test_a_key_may_be_limited_to_collections(store):
    limited, text = store.create("papers", [Scope.SEARCH], ["papers", "notes"])

    assert ring(store).find(text.reveal()) == limited
    assert limited.collections == {"papers", "notes"}
    assert json.loads(store.path.read_text())["version"] == 2, "older versions would ignore limits"
    store.revoke(limited.id)
    store.create("all", [Scope.SEARCH])
    assert json.loads(store.path.read_text())["version"] == 1


@pytest.mark.parametrize(
    ("scopes", "names"),
    [
        ([Scope.SEARCH], []),
        ([Scope.SEARCH], [" "]),
        ([Scope.SEARCH], ["a\nb"]),
        ([Scope.SEARCH, Scope.ADMIN], ["papers"]),
        ([Scope.EMBED], ["papers"]),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(store, scopes, names):
    with pytest.raises(InvalidValue) as caught:
        store.create("laptop", scopes, names)
    assert caught.value.param == "collection"
    assert not store.path.exists()


def test_a_key_has_256_random_bits_and_no_two_are_alike(store):
    texts = {store.create("one", [Scope.EMBED])[1].reveal() for _ in range(20)}

    assert len(texts) == 20
    for text in texts:
        secret = text.rsplit("_", 1)[1]
        assert len(bytes.fromhex(secret)) == 32


def test_the_file_holds_digests_alone_and_is_the_owners(store):
    key, text = store.create("laptop", [Scope.EMBED])
    secret = text.reveal().rsplit("_", 1)[1]

    content = store.path.read_text()

    assert secret not in content
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert key.digest in content
    assert [path.name for path in store.path.parent.glob(".keys*")] == []
    if os.name != "nt":
        assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_key_is_never_written_by_accident(store):
    _, text = store.create("laptop", [Scope.EMBED])

    assert text.reveal() not in f"{text} {text!r}"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text.replace("bindery_", ""),
        lambda text: "bindery_00000000_" + text.rsplit("_", 1)[1],
        lambda text: "bindery_" + "é" * 73,
        lambda text: text.rsplit("_", 1)[1],
        lambda text: f"bindery_{text.split('_')[1]}_" + hashlib.sha256(b"").hexdigest(),
    ],
)
def test_another_text_is_no_key(store, change):
    _, text = store.create("laptop", [Scope.EMBED])

    assert ring(store).find(change(text.reveal())) is None


def test_digests_are_compared_in_constant_time_and_in_no_other_way(store, monkeypatch):
    compared = []
    real = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    _, text = store.create("laptop", [Scope.EMBED])
    known = ring(store)
    for presented in (text.reveal(), "bindery_00000000_" + "0" * 64, "", "nothing"):
        known.find(presented)

    # A key that is there, one that is not and one that is none take the same way.
    assert compared == [(64, 64)] * 4


def test_a_revoked_key_opens_nothing(store):
    key, text = store.create("laptop", [Scope.EMBED])
    other, other_text = store.create("other", [Scope.EMBED])
    known = ring(store)
    assert known.find(text.reveal())

    assert store.revoke(key.id) == key

    assert known.find(text.reveal()) is None
    assert known.find(other_text.reveal()) == other
    with pytest.raises(UnknownKey):
        store.revoke(key.id)


def test_the_file_is_looked_at_twice_a_second_at_most(store, monkeypatch):
    now = 100.0
    monkeypatch.setattr(keys.time, "monotonic", lambda: now)
    _, text = store.create("laptop", [Scope.EMBED])
    known = KeyRing(store)
    store.revoke(store.read()[0].id)

    now = 100.4
    assert known.find(text.reveal())
    now = 100.5
    assert known.find(text.reveal()) is None


def test_without_a_file_everybody_may_and_from_the_first_key_on_nobody_without(store):
    known = ring(store)
    assert known.is_open

    _, text = store.create("laptop", [Scope.EMBED])
    known.refresh()

    assert not known.is_open
    assert known.find(text.reveal())


@pytest.mark.parametrize("goes_on", [True, False], ids=["running", "restarted"])
def test_revoking_the_last_key_opens_nothing(store, goes_on):
    key, text = store.create("laptop", [Scope.EMBED])
    known = ring(store)
    store.revoke(key.id)
    if not goes_on:
        known = ring(store)
    known.refresh()

    assert not known.is_open
    assert known.find(text.reveal()) is None


def test_deleting_the_file_opens_no_running_server(store):
    _, text = store.create("laptop", [Scope.EMBED])
    known = ring(store)
    store.path.unlink()
    known.refresh()

    assert not known.is_open
    assert known.find(text.reveal()) is None


def damaged(good: bytes) -> list[bytes]:
    row = json.loads(good)["keys"][0]
    rows = [
        {**row, "id": "../../etc"},
        {**row, "id": 7},
        {**row, "sha256": ""},
        {**row, "sha256": None},
        {**row, "scopes": []},
        {**row, "scopes": ["everything"]},
        {**row, "name": ""},
        {**row, "created_at": "yesterday"},
        {**row, "collections": []},
        {**row, "collections": [7]},
        {**row, "collections": None},
        {"id": row["id"]},
        [],
        None,
    ]
    files = [{"version": 1, "keys": [bad]} for bad in rows]
    files += [{"version": 3, "keys": []}, {"keys": []}, {"version": 1}, [], None, "x"]
    files += [{"version": 1, "keys": None}, {"version": 1, "keys": {"a": 1}}]
    return [b"", good[:-3], b"\xff\xfe", *(json.dumps(file).encode() for file in files)]


def test_a_damaged_file_lets_nobody_in_until_it_is_mended(store, caplog):
    _, text = store.create("laptop", [Scope.EMBED])
    good = store.path.read_bytes()
    known = ring(store)
    for bad in damaged(good):
        caplog.clear()
        store.path.write_bytes(bad)
        for _ in range(2):
            with pytest.raises(StorageError, match=r"keys\.json"):
                known.find(text.reveal())
        with pytest.raises(StorageError):
            store.create("other", [Scope.EMBED])
        assert store.path.read_bytes() == bad, "a damaged file is not written over"
        assert len(caplog.records) == 1, "told once, not with every request"
        assert ring(store).is_open is False
        draft = store.path.with_name("mended")
        draft.write_bytes(good)
        draft.replace(store.path)
        assert known.find(text.reveal())


def test_a_file_that_cannot_be_read_lets_nobody_in(store):
    _, text = store.create("laptop", [Scope.EMBED])
    store.path.unlink()
    store.path.mkdir()
    known = ring(store)

    assert not known.is_open
    with pytest.raises(StorageError):
        known.find(text.reveal())


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "\x1b[31m"])
def test_names_are_words(store, name):
    with pytest.raises(InvalidValue) as caught:
        store.create(name, [Scope.EMBED])
    assert caught.value.param == "name"
    assert not store.path.exists()


def test_a_key_without_a_scope_is_none(store):
    with pytest.raises(InvalidValue, match="at least one scope"):
        store.create("laptop", [])


def test_keys_made_at_once_are_all_kept(store):
    made = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(store.create(f"k{n}", [Scope.EMBED])))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {key.id for key in store.read()} == {key.id for key, _ in made}
    assert len(made) == 8

"""OpenAI's vector stores: its unmodified client, over the collections of our own routes."""

import contextlib
import time
from collections.abc import Iterator

import httpx2
import openai
import pytest

TEXTS = {
    "keys.md": "# Keys\n\nA key is revoked with one command, and nobody can use it afterwards.",
    "rain.txt": "Rain fell on the harbour all night, and the boats stayed in.",
    "oak.txt": "Oak lasts for centuries if it stays dry.",
}


@pytest.fixture(scope="module")
def ask(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def store(ask: openai.OpenAI) -> Iterator[openai.types.VectorStore]:
    made = ask.vector_stores.create()
    yield made
    with contextlib.suppress(openai.NotFoundError):
        ask.vector_stores.delete(made.id)


def upload(ask: openai.OpenAI, name: str, text: str) -> str:
    return ask.files.create(file=(name, text.encode()), purpose="assistants").id


def test_a_store_is_made_filled_searched_and_deleted(ask):
    store = ask.vector_stores.create(name="Manual", description="How to", metadata={"team": "red"})
    assert store.id.startswith("vs_")
    assert (store.object, store.name, store.status) == ("vector_store", "Manual", "completed")
    assert (store.metadata, store.file_counts.total, store.usage_bytes) == ({"team": "red"}, 0, 0)
    assert (store.expires_after, store.expires_at) == (None, None)
    assert store.model_extra["collection"] == "Manual"

    files = {
        name: ask.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=(name, text.encode()), attributes={"name": name}
        )
        for name, text in TEXTS.items()
    }

    for name, file in files.items():
        assert (file.status, file.last_error, file.attributes) == (
            "completed",
            None,
            {"name": name},
        )
        assert (file.usage_bytes, file.vector_store_id) == (len(TEXTS[name]), store.id)
        assert file.chunking_strategy.static.max_chunk_size_tokens == 128
    _check_found(ask, store, files)
    _check_deleted(ask, store, files)


def _check_found(ask, store, files):
    found = ask.vector_stores.search(store.id, query="How do I revoke a key?", max_num_results=2)
    best = found.data[0]
    assert (best.file_id, best.filename) == (files["keys.md"].id, "keys.md")
    assert best.attributes == {"name": "keys.md"}
    assert "revoked" in best.content[0].text
    assert 0 < best.score <= 1
    extra = best.model_extra
    assert TEXTS["keys.md"][extra["start"] : extra["end"]] == best.content[0].text
    assert extra["url"].startswith("http://127.0.0.1")
    assert len(found.data) == 2


def _check_deleted(ask, store, files):
    content = ask.vector_stores.files.content(files["oak.txt"].id, vector_store_id=store.id)
    assert [part.text for part in content.data] == [TEXTS["oak.txt"]]
    whole = ask.vector_stores.retrieve(store.id)
    assert (whole.file_counts.completed, whole.file_counts.total) == (3, 3)
    assert whole.usage_bytes == sum(map(len, TEXTS.values()))
    gone = ask.vector_stores.files.delete(files["oak.txt"].id, vector_store_id=store.id)
    assert (gone.id, gone.deleted, gone.object) == (
        files["oak.txt"].id, True, "vector_store.file.deleted",
    )  # fmt: skip
    less = ask.vector_stores.retrieve(store.id)
    assert (less.file_counts.total, less.usage_bytes) == (
        2, whole.usage_bytes - len(TEXTS["oak.txt"]),
    )  # fmt: skip
    deleted = ask.vector_stores.delete(store.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (store.id, True, "vector_store.deleted")
    for call in (ask.vector_stores.retrieve, ask.vector_stores.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            call(store.id)
        assert caught.value.code == "unknown_collection"
    with pytest.raises(openai.NotFoundError):
        ask.vector_stores.search(store.id, query="oak")
    assert ask.files.retrieve(files["keys.md"].id).filename == "keys.md"


def test_batches_give_each_file_its_attributes_and_its_end(ask, store):
    good = [upload(ask, "same.txt", text) for text in TEXTS.values()]
    broken = upload(ask, "broken.pdf", "%PDF-1.4 no")
    given = [{"file_id": one, "attributes": {"n": n}} for n, one in enumerate([*good, broken])]
    batch = ask.vector_stores.file_batches.create_and_poll(store.id, files=given)

    assert (batch.status, batch.object) == ("completed", "vector_store.files_batch")
    assert batch.file_counts.model_dump() == {
        "in_progress": 0, "completed": 3, "failed": 1, "cancelled": 0, "total": 4,
    }  # fmt: skip
    files = {
        file.id: file
        for file in ask.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)
    }
    assert [files[one].attributes for one in good] == [{"n": n} for n in range(3)]
    assert [files[one].model_extra["filename"] for one in good] == ["same.txt"] * 3
    error = files[broken].last_error
    assert (files[broken].status, error.code) == ("failed", "invalid_file")
    assert error.message

    where = {"type": "and", "filters": [
        {"type": "gte", "key": "n", "value": 1}, {"type": "nin", "key": "n", "value": [2]},
    ]}  # fmt: skip
    found = ask.vector_stores.search(store.id, query="rain", filters=where)
    assert [hit.file_id for hit in found] == [good[1]]
    for state, wanted in {"failed": {broken}, "completed": {*good}, "cancelled": set()}.items():
        listed = ask.vector_stores.files.list(store.id, filter=state)
        assert {file.id for file in listed} == wanted
    changed = ask.vector_stores.files.update(good[0], vector_store_id=store.id, attributes={"n": 7})
    assert changed.attributes == {"n": 7}
    seven = {"type": "eq", "key": "n", "value": 7}
    assert ask.vector_stores.search(store.id, query="key", filters=seven).data[0].file_id == good[0]


def test_lists_are_paged_to_the_end_while_items_are_deleted(ask, store):
    ids = [upload(ask, f"{n}.txt", f"Paper {n}.") for n in range(5)]
    ask.vector_stores.file_batches.create_and_poll(store.id, file_ids=ids)
    assert [one.id for one in ask.vector_stores.files.list(store.id, limit=2)] == ids[::-1]
    rising = ask.vector_stores.files.list(store.id, limit=2, order="asc")
    assert [one.id for one in rising] == ids
    back = ask.vector_stores.files.list(store.id, before=ids[0], limit=2)
    assert ([one.id for one in back.data], back.has_more) == ([ids[2], ids[1]], True)
    seen = []
    for file in ask.vector_stores.files.list(store.id, limit=2):
        seen.append(file.id)
        ask.vector_stores.files.delete(file.id, vector_store_id=store.id)
        ask.files.delete(file.id)
    assert seen == ids[::-1]
    assert ask.vector_stores.retrieve(store.id).file_counts.total == 0
    with pytest.raises(openai.BadRequestError) as caught:
        ask.vector_stores.files.list(store.id, after="file-0")
    assert caught.value.param == "after"

    made = [ask.vector_stores.create(name="same").id for _ in range(3)]
    seen = []
    for one in ask.vector_stores.list(limit=1):
        if one.id in made:
            assert one.name == "same"
            seen.append(one.id)
            ask.vector_stores.delete(one.id)
    assert seen == made[::-1]


def test_what_is_said_of_a_store_is_changed_and_it_expires(ask, server, store):
    assert store.name == ""
    days = {"anchor": "last_active_at", "days": 3}
    changed = ask.vector_stores.update(
        store.id, name="Other", expires_after=days, metadata={"a": "b"}
    )
    assert (changed.name, changed.metadata, changed.expires_after.days) == ("Other", {"a": "b"}, 3)
    assert changed.expires_at == changed.last_active_at + 3 * 86400
    unset = ask.vector_stores.update(store.id, expires_after=None)
    assert (unset.expires_at, unset.name) == (None, "Other")
    for wrong in ({"a": "x" * 513}, {str(n): "" for n in range(17)}, {"k" * 65: ""}):
        with pytest.raises(openai.BadRequestError) as caught:
            ask.vector_stores.update(store.id, metadata=wrong)
        assert caught.value.param == "metadata"


def test_a_batch_is_cancelled_and_a_file_removed_while_it_is_added(ask, store):
    ids = [upload(ask, f"{n}.txt", f"Paper number {n} lies here. " * 40) for n in range(30)]
    batch = ask.vector_stores.file_batches.create(store.id, file_ids=ids)
    ask.vector_stores.files.delete(ids[-1], vector_store_id=store.id)
    ask.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    over = ask.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    counts = over.file_counts
    assert over.status in ("cancelled", "completed")
    assert (counts.in_progress, counts.cancelled + counts.completed) == (0, 29)
    states = {one.id: one.status for one in ask.vector_stores.files.list(store.id, limit=100)}
    assert set(states) == set(ids[:-1])
    assert set(states.values()) <= {"cancelled", "completed"}
    assert ask.vector_stores.retrieve(store.id).status == "completed"


def test_what_is_wrong_is_an_error_and_never_an_empty_list(ask, store):
    search = ask.vector_stores.search
    bad = [
        ({"query": "x" * 1_000_000}, "query"),
        ({"query": ""}, "query"),
        ({"query": []}, "query"),
        ({"query": "a", "filters": {"type": "eq", "key": "nothing", "value": 1}}, "filters"),
        ({"query": "a", "filters": {"type": "like", "key": "n", "value": 1}}, "filters"),
        ({"query": "a", "max_num_results": 51}, "max_num_results"),
        ({"query": "a", "ranking_options": {"ranker": "best"}}, "ranking_options"),
    ]
    for fields, param in bad:
        with pytest.raises(openai.BadRequestError) as caught:
            search(store.id, **fields)
        assert caught.value.param == param, fields
    attach = ask.vector_stores.file_batches.create
    with pytest.raises(openai.BadRequestError) as caught:
        attach(store.id, file_ids=[f"file-{n:024x}" for n in range(2001)])
    assert caught.value.param == "file_ids"
    with pytest.raises(openai.BadRequestError):
        attach(store.id)
    with pytest.raises(openai.NotFoundError) as caught:
        attach(store.id, file_ids=["file-000000000000000000000000"])
    assert caught.value.code == "unknown_file"
    for call in (ask.vector_stores.files.retrieve, ask.vector_stores.files.delete):
        with pytest.raises(openai.NotFoundError):
            call("file-0", vector_store_id=store.id)
    with pytest.raises(openai.NotFoundError):
        ask.vector_stores.file_batches.retrieve("vsfb_0", vector_store_id=store.id)
    assert search(store.id, query="nothing is here").data == []


def test_several_queries_are_merged_and_modes_are_ogx_s(ask, store):
    for name, text in TEXTS.items():
        ask.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=(name, text.encode())
        )
    found = ask.vector_stores.search(store.id, query=["dry oak", "rain at the harbour"])
    scores = [hit.score for hit in found.data]
    assert {hit.filename for hit in found.data[:2]} == {"oak.txt", "rain.txt"}
    assert scores == sorted(scores, reverse=True)
    assert len({hit.model_extra["chunk_id"] for hit in found.data}) == len(found.data)
    for mode, ours in {"vector": "dense", "keyword": "lexical", "hybrid": "hybrid"}.items():
        answer = ask.vector_stores.search(store.id, query="oak", extra_body={"search_mode": mode})
        assert answer.model_extra["mode"] == ours
    ranked = ask.vector_stores.search(store.id, query="oak", ranking_options={"ranker": "rrf"})
    assert ranked.model_extra["mode"] == "rrf"


def test_a_static_strategy_and_files_are_given_at_once(ask):
    file = upload(ask, "oak.txt", TEXTS["oak.txt"])
    static = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
    store = ask.vector_stores.create(
        file_ids=[file], chunking_strategy={"type": "static", "static": static}
    )
    added = ask.vector_stores.files.poll(file, vector_store_id=store.id)
    made = added.chunking_strategy.static
    assert (added.status, made.max_chunk_size_tokens, made.chunk_overlap_tokens) == (
        "completed", 254, 127,
    )  # fmt: skip
    ask.files.delete(file)
    assert ask.vector_stores.retrieve(store.id).file_counts.total == 0
    ask.vector_stores.delete(store.id)


def test_every_collection_is_a_store(ask, server):
    http = httpx2.Client(base_url=server)
    http.post("/collections", json={"name": "shelf"})
    file = http.post("/files/upload", files={"file": ("a.txt", b"The heliotrope.")}).json()
    http.post("/collections/shelf/files", json={"file_ids": [file["file_id"]]})
    until = time.monotonic() + 60
    while ask.vector_stores.retrieve("shelf").file_counts.completed == 0:
        assert time.monotonic() < until
        time.sleep(0.05)
    store = ask.vector_stores.retrieve("shelf")
    assert (store.name, store.id[:3]) == ("shelf", "vs_")
    assert [hit.filename for hit in ask.vector_stores.search(store.id, query="flower")] == ["a.txt"]
    (listed,) = ask.vector_stores.files.list(store.id)
    assert listed.id == file["file_id"]
    ask.vector_stores.files.delete(listed.id, vector_store_id=store.id)
    assert http.get("/collections/shelf/files").json()["total_files"] == 0
    assert list(ask.vector_stores.files.list(store.id, after=listed.id)) == []
    ask.vector_stores.delete("shelf")
    http.close()

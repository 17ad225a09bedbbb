"""`/ready` is 200 only when every model on the machine answers with the right numbers."""

import asyncio
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient
from tests.homes import home_with

from bindery.engines.openvino import OpenVinoEngine
from bindery.errors import StorageError
from bindery.faces.http import background
from bindery.faces.http.app import create_app
from bindery.faces.http.background import Pool
from bindery.library import Library
from bindery.models.card import Family, ModelCard, RemoteEntry
from bindery.models.catalog import CATALOG
from bindery.models.endpoint import Endpoint, Vendor
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions
from bindery.settings import Settings


@pytest.fixture
def open_app(tmp_path) -> Callable[[], TestClient]:
    def opened() -> TestClient:
        library = Library(tmp_path, ModelOptions(precision="f32"))
        app = create_app(library, Settings(home=tmp_path, precision="f32"))
        return TestClient(app, base_url="http://127.0.0.1")

    return opened


def when_loaded(client: TestClient) -> tuple[int, dict]:
    """The first answer that does not say that models are loading."""
    while True:
        answer = client.get("/ready")
        if answer.json()["status"] != "loading":
            return answer.status_code, answer.json()
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        time.sleep(0.02)


def state_of(answer: dict, model_id: str) -> dict:
    return next(model for model in answer["models"] if model["id"] == model_id)


def test_a_server_whose_models_answer_is_ready(client):
    status, answer = when_loaded(client)
    assert (status, answer["status"]) == (200, "ready")
    assert state_of(answer, "vanilla")["state"] == "loaded"
    # Models that nobody asked for are not listed.
    assert [model["id"] for model in answer["models"]] == ["vanilla"]
    assert answer["storage"] is None


def test_a_server_without_models_lives_but_is_not_ready_until_it_has_one(
    open_app, tmp_path, minilm_folder
):
    with open_app() as client:
        assert client.get("/health").json()["status"] == "ok"
        status, answer = when_loaded(client)
        assert (status, answer["status"]) == (503, "not_ready")
        vanilla = state_of(answer, "vanilla")
        assert (vanilla["state"], vanilla["code"]) == ("missing", "model_missing")
        assert "bindery preload vanilla" in vanilla["remedy"]

        sources = [FolderSource(minilm_folder)]
        Library(tmp_path).preload(["vanilla"], sources, progress=lambda *_: None)
        assert when_loaded(client)[0] == 200


def test_a_disk_that_is_almost_full_is_told_before_an_upload_fails(client, tmp_path, monkeypatch):
    monkeypatch.setattr(background, "_LEAST_BYTES", 1 << 62)
    status, answer = when_loaded(client)
    assert (status, answer["status"]) == (200, "ready")
    assert "almost full" in answer["storage"]
    assert "/" not in answer["storage"]


def test_a_disk_that_failed_makes_it_not_ready_and_says_why(tmp_path, minilm_folder):
    library = Library(home_with(minilm_folder, tmp_path), ModelOptions(precision="f32"))
    app = create_app(library, Settings(home=tmp_path, precision="f32"))
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert when_loaded(client)[0] == 200
        with pytest.raises(StorageError), library.database.writing():
            raise OperationalError("COMMIT", None, failed)
        status, answer = when_loaded(client)

        assert (status, answer["status"]) == (503, "not_ready")
        assert "met a disk error" in answer["storage"]
        refused = client.post("/files/upload", files={"file": ("a.txt", b"paper")})
        assert refused.status_code == 507, "what it cannot keep, it does not say to have kept"


def test_a_model_that_is_refused_makes_it_not_ready_and_says_why(open_app, tmp_path, home):
    shutil.copytree(home / "models", tmp_path / "models")
    shutil.copy(home / "models.lock.json", tmp_path)
    folder = tmp_path / "models" / "vanilla" / CATALOG["vanilla"].release.revision
    weights = folder / "model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1000])
    with open_app() as client:
        status, answer = when_loaded(client)
        assert (status, answer["status"]) == (503, "not_ready")
        vanilla = state_of(answer, "vanilla")
        assert (vanilla["state"], vanilla["code"]) == ("refused", "model_broken")
        assert "model.safetensors" in vanilla["message"]
        refused = client.post("/v1/embeddings", json={"model": "vanilla", "input": "x"})
        assert refused.status_code == 424
        assert refused.json()["error"]["code"] == "model_broken"


def test_a_remote_model_is_not_waited_for(tmp_path):
    card = ModelCard("far", Family.DENSE, 384, 256, (), normalised=True)
    entry = RemoteEntry(card, Endpoint(Vendor.OPENAI, "http://127.0.0.1:9/v1", "vanilla"))
    library = Library(tmp_path, catalog={"far": entry})
    app = create_app(library, Settings(home=tmp_path))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        status, answer = when_loaded(client)
        assert (status, state_of(answer, "far")["state"]) == (200, "remote")
        rows = {row["id"]: row for row in client.get("/models").json()["models"]}
        assert (rows["far"]["state"], rows["far"]["gated"]) == ("remote", False)


@pytest.fixture
def own_client(home) -> Iterator[TestClient]:
    """A separate app over the real model, loaded."""
    app = create_app(
        Library(home, ModelOptions(precision="f32")), Settings(home=home, precision="f32")
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert when_loaded(client)[0] == 200
        yield client


def embed(client: TestClient, text: str) -> int:
    return client.post("/v1/embeddings", json={"model": "vanilla", "input": text}).status_code


def until_ready_is(client: TestClient, status: int) -> dict:
    """The first answer with this status; no deadline, because a busy machine takes longer."""
    for _ in range(600):
        answer = client.get("/ready")
        if answer.status_code == status:
            return answer.json()
        time.sleep(0.1)
    raise AssertionError(f"/ready still says {answer.status_code}: {answer.text}")


def test_an_engine_that_fails_is_told_and_so_is_its_recovery(own_client, monkeypatch):
    def fail(*_):
        raise RuntimeError("no memory on the device")

    with monkeypatch.context() as broken:
        for name in ("hidden_states", "hidden_states_quickly"):
            broken.setattr(OpenVinoEngine, name, fail)
        number = 0
        while (fault := own_client.app.state.services.library.status("vanilla")).error is None:
            number += 1
            assert embed(own_client, f"text {number}") >= 400
        answer = until_ready_is(own_client, 503)
    assert answer["status"] == "not_ready"
    vanilla = state_of(answer, "vanilla")
    assert (vanilla["state"], vanilla["code"]) == ("failing", fault.error.code)
    assert "no memory on the device" in vanilla["message"]
    assert vanilla["remedy"]

    while own_client.app.state.services.library.status("vanilla").error is not None:
        time.sleep(0.05)  # it proves itself, whether or not anybody asks
    until_ready_is(own_client, 200)
    assert embed(own_client, "a text") == 200


def test_an_engine_that_hangs_is_told(own_client, monkeypatch):
    goes_on = threading.Event()

    def hang(*_):
        goes_on.wait()
        raise RuntimeError("it hung")

    assert embed(own_client, "how long a text takes") == 200
    with monkeypatch.context() as broken:
        for name in ("hidden_states", "hidden_states_quickly"):
            broken.setattr(OpenVinoEngine, name, hang)
        asking = [threading.Thread(target=embed, args=(own_client, f"x {n}")) for n in range(4)]
        for thread in asking:
            thread.start()
        try:
            while own_client.app.state.services.library.status("vanilla").error is None:
                time.sleep(0.01)
            answer = until_ready_is(own_client, 503)
        finally:
            goes_on.set()
            for thread in asking:
                thread.join()
    assert state_of(answer, "vanilla")["state"] == "failing"


def test_it_is_told_while_every_pool_is_busy(own_client):
    services = own_client.app.state.services
    goes_on = threading.Event()
    pools = [pool for pool in vars(services).values() if isinstance(pool, Pool)]
    assert pools

    async def fill() -> list[asyncio.Task]:
        return [asyncio.create_task(pool.run(goes_on.wait)) for pool in pools for _ in range(32)]

    tasks = own_client.portal.call(fill)
    too_long = threading.Timer(300, goes_on.set)
    too_long.start()
    try:
        assert own_client.get("/ready").status_code == 200
        assert own_client.get("/health").status_code == 200
        assert not goes_on.is_set()
    finally:
        too_long.cancel()
        goes_on.set()
        own_client.portal.call(asyncio.gather, *tasks)


def test_a_server_that_is_told_to_end_is_not_ready_at_once(own_client):
    own_client.app.state.services.readiness.is_ending = True

    answer = own_client.get("/ready")

    assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert own_client.get("/health").status_code == 200

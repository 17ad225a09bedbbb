"""`/ready` is 200 only when every model on the machine answers with the right numbers."""

import shutil
import time
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.models.card import Family, ModelCard, RemoteEntry
from bindery.models.catalog import CATALOG
from bindery.models.endpoint import Endpoint, Vendor
from bindery.models.sources import FolderSource
from bindery.settings import Settings


@pytest.fixture
def open_app(tmp_path) -> Callable[[], TestClient]:
    def opened() -> TestClient:
        library = Library(tmp_path, precision="f32")
        app = create_app(library, Settings(home=tmp_path, precision="f32"))
        return TestClient(app, base_url="http://127.0.0.1")

    return opened


def when_loaded(client: TestClient) -> tuple[int, dict]:
    """The first answer that does not say that models are being loaded."""
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
    assert state_of(answer, "gemma")["state"] == "missing"


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

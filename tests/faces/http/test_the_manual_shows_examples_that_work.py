"""`/openapi.json` and `/docs`: every route is there, and every example works when sent."""

import re
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.faces.http.jobs_asked import finish

from bindery.faces.http import examples
from bindery.faces.http.dialects.own import GenerateAnswer
from bindery.faces.http.dialects.ranking import RerankingAnswer


def operations(client: TestClient) -> list[tuple[str, str, dict]]:
    found = [
        (method, path, operation)
        for path, methods in client.get("/openapi.json").json()["paths"].items()
        for method, operation in methods.items()
    ]
    # What is uploaded is there for the others, a job for those that follow it; deleted last.
    order = {"upload_file": -5, "create_openai_file": -5, "create_job": -4}
    order |= {"create_collection": -3, "add_files": -2, "change_attributes": -1}
    order |= {"estimate_rebuild": -0.5, "drop_generations": 0.4}
    order |= {"embed_for_librechat": -3, "start_evaluation": -0.6, "delete_evaluation": 0.05}
    order |= {"mark_hit": -0.7, "delete_mark_of": 0.05}
    order |= {"create_vector_store": -2.9, "create_vector_store_file_batch": -2}
    order |= {"delete_vector_store_file": 0.1, "delete_vector_store": 0.2}
    order |= {"remove_file": 0.5, "delete_collection": 0.6, "import_into_collection": 0.7}
    return sorted(found, key=lambda row: order.get(row[2]["operationId"], row[0] == "delete"))


def address(path: str, operation: dict, named: dict[str, str]) -> str:
    """The URL of an example; ``named`` maps the ids in examples to those that were created."""
    query = {}
    for parameter in operation.get("parameters", ()):
        for example in parameter["schema"].get("examples", ()):
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", named.get(example, example))
            else:
                query[parameter["name"]] = example
    assert "{" not in path
    return f"{path}?{urlencode(query)}"


MADE = {
    "mark_hit": ("1", "id"),
    "start_evaluation": (examples.EVALUATION_ID, "evaluation_id"),
    "create_openai_file": (examples.OPENAI_FILE_ID, "id"),
    "create_vector_store": (examples.STORE_ID, "id"),
}
"""The routes whose answers have an id that other examples name, and the field that has it."""


def test_every_example_works_when_sent(client):
    sent = 0
    named: dict[str, str] = {}
    for method, path, operation in operations(client):
        target = address(path, operation, named)
        content = operation.get("requestBody", {}).get("content", {})
        bodies: list[dict] = [
            {"json": example["value"]}
            for example in content.get("application/json", {}).get("examples", {}).values()
        ]
        for example in content.get("multipart/form-data", {}).get("examples", {}).values():
            fields = dict(example["value"])
            file = (example["x-filename"], fields.pop("file"))
            bodies.append({"files": {"file": file}, "data": fields})
        assert bodies or "requestBody" not in operation, f"{path} has no example"
        for body in bodies or [{}]:
            answer = client.request(method, target, **body)
            expected = min(status for status in operation["responses"] if status != "default")
            assert str(answer.status_code) == expected, f"{method} {target}: {answer.text}"
            sent += 1
            if operation["operationId"] == "rebuild_collection" and answer.json()["job_id"]:
                finish(client, answer.json()["job_id"])  # only then it can be taken back
            if operation["operationId"] in MADE:
                example, key = MADE[operation["operationId"]]
                named[example] = str(answer.json()[key])
            if operation["operationId"] == "create_vector_store_file_batch":
                named[examples.BATCH_ID] = batch_id = answer.json()["id"]
                finish(client, batch_id.replace("vsfb_", "job-"))
            if operation["operationId"] == "create_job":
                named[examples.JOB_ID] = job_id = answer.json()["job_id"]
                assert finish(client, job_id)["state"] == "done"
            if operation["operationId"] == "add_files":
                assert finish(client, answer.json()["job_id"])["state"] == "done"
    assert sent >= len(operations(client))
    client.delete(f"/collections/{examples.COLLECTION}")  # what was imported


ROUTES = {
    "POST /files/upload",
    "GET /files",
    "GET /files/{file_id}",
    "DELETE /files/{file_id}",
    "GET /chunk/{strategy}/file/{file_id}",
    "POST /v1/files",
    "GET /v1/files",
    "GET /v1/files/{file_id}",
    "GET /v1/files/{file_id}/content",
    "DELETE /v1/files/{file_id}",
    "GET /librechat/health",
    "POST /librechat/embed",
    "POST /librechat/text",
    "POST /librechat/query",
    "POST /librechat/query_multiple",
    "GET /librechat/documents/{file_id}/context",
    "DELETE /librechat/documents",
    "POST /retrieval",
    "POST /open-webui/{name}",
    "GET /v1/vector_stores",
    "POST /v1/vector_stores",
    "GET /v1/vector_stores/{store_id}",
    "POST /v1/vector_stores/{store_id}",
    "DELETE /v1/vector_stores/{store_id}",
    "POST /v1/vector_stores/{store_id}/search",
    "GET /v1/vector_stores/{store_id}/files",
    "POST /v1/vector_stores/{store_id}/files",
    "GET /v1/vector_stores/{store_id}/files/{file_id}",
    "POST /v1/vector_stores/{store_id}/files/{file_id}",
    "DELETE /v1/vector_stores/{store_id}/files/{file_id}",
    "GET /v1/vector_stores/{store_id}/files/{file_id}/content",
    "POST /v1/vector_stores/{store_id}/file_batches",
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}",
    "POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel",
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files",
    "POST /jobs",
    "GET /jobs",
    "GET /jobs/{job_id}",
    "DELETE /jobs/{job_id}",
    "GET /jobs/{job_id}/files",
    "POST /jobs/{job_id}/cancel",
    "GET /jobs/{job_id}/events",
    "GET /jobs/{job_id}/results",
    "POST /collections",
    "POST /collections/{name}/import",
    "GET /collections",
    "GET /collections/{name}",
    "DELETE /collections/{name}",
    "PATCH /collections/{name}",
    "POST /collections/{name}/rebuild",
    "POST /collections/{name}/rebuild/estimate",
    "POST /collections/{name}/rollback",
    "GET /collections/{name}/generations",
    "DELETE /collections/{name}/generations",
    "POST /collections/{name}/verify",
    "POST /collections/{name}/marks",
    "GET /collections/{name}/marks",
    "DELETE /collections/{name}/marks/{mark_id}",
    "POST /collections/{name}/evaluations",
    "GET /collections/{name}/evaluations",
    "GET /collections/{name}/evaluations/{evaluation_id}",
    "DELETE /collections/{name}/evaluations/{evaluation_id}",
    "POST /collections/{name}/files",
    "GET /collections/{name}/export",
    "GET /collections/{name}/files",
    "GET /collections/{name}/map",
    "GET /collections/{name}/files/{file_id}/passages",
    "GET /collections/{name}/files/{file_id}/original",
    "PATCH /collections/{name}/files/{file}",
    "DELETE /collections/{name}/files/{file}",
    "POST /collections/{name}/search",
    "POST /collections/{name}/why-not",
    "POST /embedding/{model_id}/generate",
    "GET /models",
    "GET /rotations",
    "GET /rotations/{name}",
    "POST /v1/embeddings",
    "POST /v1/contextualizedembeddings",
    "POST /v1/rerank",
    "POST /v2/embed",
    "POST /v1/embed",
    "POST /embed",
    "POST /embed_all",
    "POST /similarity",
    "POST /",
    "POST /rerank",
    "GET /info",
    "POST /tokenize",
    "POST /decode",
    "POST /v1/tokenize",
    "POST /v1/detokenize",
    "POST /api/embed",
    "POST /api/embeddings",
    "GET /api/tags",
    "POST /api/show",
    "GET /api/version",
    "GET /disk",
    "POST /collections/{name}/files/{file_id}/tokens",
    "GET /keys",
    "GET /settings",
    "GET /metrics",
    "GET /v1/models",
    "GET /v1/models/{model_id}",
    "GET /health",
    "GET /ready",
}


def test_every_route_is_described(client):
    found = operations(client)
    assert {f"{method.upper()} {path}" for method, path, _ in found} == ROUTES
    for _, _, operation in found:
        assert operation["summary"]
        assert operation["description"]
        # FastAPI would add its own 422, in a shape that is never sent.
        assert "default" in operation["responses"]
        assert "422" not in operation["responses"]


def test_the_chunks_in_the_manual_are_those_the_server_gives(client):
    files = {"file": (examples.NAME, examples.CONTENT)}
    file_id = client.post("/files/upload", files=files).json()["file_id"]
    assert client.get(f"/chunk/recursive/file/{file_id}").json() == examples.CHUNKED
    client.delete(f"/files/{file_id}")


def test_the_vectors_in_the_manual_are_those_the_server_gives(client):
    body = {"chunks": examples.TEXTS}
    given = client.post("/embedding/vanilla/generate?preview=3", json=body).json()
    shown = examples.answer_example(GenerateAnswer)
    rows, expected = np.float32(given["embeddings"]), np.float32(shown["embeddings"])
    assert np.abs(rows - expected).max() < 1e-3
    assert {**given, "embeddings": None} == {**shown, "embeddings": None}


def test_the_order_in_the_manual_is_what_the_server_gives(client):
    body = {"model": "vanilla", "query": examples.QUESTION, "documents": examples.TEXTS}
    given = client.post("/v1/rerank", json=body).json()
    shown = examples.answer_example(RerankingAnswer)
    for rows in ("results", "data"):
        for one, other in zip(given.pop(rows), shown[rows], strict=True):
            assert one == {name: pytest.approx(value, abs=1e-3) for name, value in other.items()}
    assert given == {name: shown[name] for name in given}


def test_the_page_needs_nobody_else(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/docs/manual.js", "/docs/manual.css"} <= set(parts)
    for part in parts:
        if not part.startswith("data:"):
            answer = client.get(part)
            assert answer.status_code == 200
            assert not re.search(r"https?://(?!www\.w3\.org)", answer.text), part

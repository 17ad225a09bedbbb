"""A server that logs all it can gives away no text, name, key or token in any output of its own."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.faces.commands import BINDERY

CANARY = "q7zx5vk2wp9jmb4t"
PARTS = [CANARY[start : start + 6] for start in range(len(CANARY) - 5)]
ROWS = """
[models.far]
vendor = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "far"
key = "FAR_KEY"
dimensions = 384
max_tokens = 256
"""


def ask(address: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"content-type": "application/json"} if content is not None else {}
    request = urllib.request.Request(f"{address}{path}", content, kind | headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_output_holds_a_canary(
    environment: dict[str, str], tmp_path: Path, log_format: str
) -> None:
    rows = tmp_path / "rows.toml"
    rows.write_text(ROWS)
    variables = {
        **environment,
        "BINDERY_CATALOG": str(rows),
        "BINDERY_DRAIN_DELAY_S": "0",
        "HF_TOKEN": f"hf_{CANARY}",
        "FAR_KEY": f"sk-{CANARY}",
    }
    flags = ["--port", "0", "--log-level", "debug", "--log-format", log_format]
    with subprocess.Popen(
        [*BINDERY, "serve", *flags],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = server.stdout.readline().split()[-1]
            asked = ask_everything(address)
        finally:
            server.send_signal(signal.SIGTERM)
            output, errors = server.communicate(timeout=300)
    assert server.returncode == 0
    for shown in (output, errors, asked["metrics"]):
        assert not [part for part in PARTS if part in shown]
    # It did log, and enough to find the request.
    assert "Setting token is present (environment HF_TOKEN)." in errors
    assert "/embedding/{model_id}/generate" in errors
    assert "req-of-mine" in errors
    if log_format == "json":
        check_lines([json.loads(line) for line in errors.splitlines()])


def ask_everything(address: str) -> dict[str, str]:
    """Requests that hold a canary wherever a client can put one."""
    path = "/embedding/vanilla/generate?preview=1"
    given = {"x-request-id": "req-of-mine", "x-api-key": f"bindery_{CANARY}", "referer": CANARY}
    status, _ = ask(address, path, {"chunks": [f"a {CANARY} text"]}, **given)
    assert status == 200
    assert ask(address, f"{path}&note={CANARY}", {"chunks": [CANARY]})[0] == 400
    assert ask(address, "/embedding/far/generate", {"chunks": [CANARY]})[0] >= 400
    assert ask(address, "/v1/embeddings", {"model": CANARY, "input": CANARY})[0] == 404
    assert ask(address, "/v1/embeddings", f'{{"input": {CANARY}'.encode())[0] == 400
    assert ask(address, f"/{CANARY}")[0] == 404
    assert ask(address, "/health", host=f"{CANARY}.example")[0] == 421
    part = f'--x\r\ncontent-disposition: form-data; name="file"; filename="{CANARY}.txt"\r\n\r\n'
    body = f"{part}a text with {CANARY}\r\n--x--\r\n".encode()
    status, kept = ask(
        address, "/files/upload", body, **{"content-type": "multipart/form-data; boundary=x"}
    )
    assert status in {200, 201}, kept
    file_id = json.loads(kept)["file_id"]
    assert ask(address, f"/chunk/recursive/file/{file_id}")[0] == 200
    assert ask(address, f"/chunk/recursive/file/{file_id}?note={CANARY}")[0] == 400
    status, metrics = ask(address, "/metrics")
    assert status == 200
    return {"metrics": metrics}


def check_lines(events: list[dict]) -> None:
    """One line for each request, with its id, route, status, time and what its texts came to."""
    requests = [event for event in events if event["message"] == "request"]
    assert all(event["request_id"] and event["status"] and "ms" in event for event in requests)
    [mine] = [event for event in requests if event["request_id"] == "req-of-mine"]
    assert (mine["method"], mine["route"]) == ("POST", "/embedding/{model_id}/generate")
    assert (mine["status"], mine["model"], mine["texts"]) == (200, "vanilla", 1)
    assert mine["tokens"] > 3
    assert mine["received_bytes"] > 20 < mine["sent_bytes"]
    assert {event["level"] for event in requests if event.get("route") == "/metrics"} == {"debug"}
    statuses = [event["status"] for event in requests]
    assert {200, 400, 404, 421} <= {*statuses}

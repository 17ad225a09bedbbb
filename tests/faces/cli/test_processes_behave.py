"""What only shows in a process of its own: pipes that close, quick help, serving, clean output."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.faces.commands import BINDERY

from bindery.faces.cli import leave_cores_to_the_engine

FULL = Path("/dev/full")


def command(*arguments: str) -> list[str]:
    return [*BINDERY, *arguments]


def test_help_loads_nothing_heavy(environment: dict[str, str]):
    heavy = {"numpy", "openvino", "tokenizers", "fastapi", "uvicorn", "httpx2", "arro3.core"}
    program = f"import sys, bindery.faces.cli.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_json_is_all_that_standard_output_gets(environment: dict[str, str]):
    text = b"Loose paper is fragile."
    done = subprocess.run(
        command("embed", "-", "--json"), input=text, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["chunks"][0]["text"] == text.decode()
    assert done.stderr == b""


@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"]], ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_quietly(
    arguments: list[str], environment: dict[str, str]
):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command(*arguments), stdout=writing, stderr=subprocess.PIPE, env=environment
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.skipif(not FULL.exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_told(environment: dict[str, str]):
    with FULL.open("wb") as full:
        done = subprocess.run(
            command("models"), stdout=full, stderr=subprocess.PIPE, env=environment
        )
    assert done.returncode == 5
    assert done.stderr.startswith(b"error (storage_error): Standard output")
    assert b"Traceback" not in done.stderr


def test_ctrl_c_ends_without_a_traceback(environment: dict[str, str]):
    with subprocess.Popen(
        command("embed", "-", "--lines"),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        # As many as make a batch: when its first record is there, the process waits for more.
        process.stdin.write(b"a\n" * 1024)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "a"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors == b""


def test_the_server_tells_its_address_and_stops_when_told(environment: dict[str, str]):
    with subprocess.Popen(
        command("serve", "--port", "0"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            first = server.stdout.readline()
            assert " serves on http://127.0.0.1:" in first
            address = first.split()[-1]
            assert f"{address}/docs" in server.stdout.readline()
            assert "curl" in server.stdout.readline()
            with urllib.request.urlopen(f"{address}/health", timeout=300) as answer:
                assert answer.status == 200
        finally:
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=300)
    assert server.returncode == 0, errors
    assert "Traceback" not in errors


def test_numpy_leaves_the_cores_to_the_engine_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, expected in ((None, "1"), ("3", "3")):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")  # so that it is put back at the end
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
        if given:
            monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
        leave_cores_to_the_engine()
        assert os.environ["OPENBLAS_NUM_THREADS"] == expected

    # NumPy reads it when it is loaded, so the command line must not load it before.
    code = "import sys, bindery.faces.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

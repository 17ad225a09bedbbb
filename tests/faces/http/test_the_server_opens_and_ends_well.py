"""`serve`: where it listens, when it says so, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from bindery.errors import InvalidValue
from bindery.faces.http.server import serve
from bindery.settings import Settings

PROGRAM = """
import sys
from pathlib import Path
from bindery.faces.http.server import serve
from bindery.settings import Settings
serve(Settings(home=Path(sys.argv[1]), port=0), on_ready=lambda address: print(address, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_only_this_machine_is_served(tmp_path, host):
    with pytest.raises(InvalidValue) as caught:
        serve(Settings(home=tmp_path, host=host))
    assert caught.value.param == "host"
    assert "proxy" in caught.value.remedy


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidValue, match=f"Port {port} of 127.0.0.1 is taken"):
            serve(Settings(home=tmp_path, port=port))


def test_a_port_that_is_none_is_told(tmp_path):
    with pytest.raises(InvalidValue, match="port 70000"):
        serve(Settings(home=tmp_path, port=70000))


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_it_says_where_it_is_answers_and_ends_on_a_signal(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/health", timeout=30) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (output, errors, process.returncode) == ("ended\n", "", 0)

"""One document, one process, killed at its limits; nothing of it is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import psutil
import pytest
from tests.documents.samples import pdf_sample

from bindery.documents import parse
from bindery.documents.sandbox import client, protocol, worker
from bindery.documents.sandbox.protocol import Request, SandboxLimits, unpack_document
from bindery.errors import (
    BinderyError,
    BrokenDocument,
    InvalidValue,
    ParseTimeout,
    PasswordProtected,
    UnknownFile,
)

# The HTML parser takes quadratic time on this, for minutes, in native code that nothing interrupts.
SLOW = b"<div>" * 200_000

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a platform that can fork")


def family() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def busy_child() -> psutil.Process:
    """The process that parses right now: a child of the template."""
    for _ in range(6_000):
        for template in psutil.Process().children():
            for child in template.children():
                if child.cpu_times().user > 0.05:
                    return child
        time.sleep(0.01)
    raise AssertionError("no child came up")


def test_a_slow_document_is_stopped_at_the_limit():
    parse(b"warm", "x.txt")
    before = {process.pid for process in family()}
    with pytest.raises(ParseTimeout, match=r"'slow.html' was not read within 0.3 s"):
        parse(SLOW, "slow.html", timeout_s=0.3)
    assert {process.pid for process in family()} == before


def test_a_document_that_needs_too_much_memory_is_refused():
    with pytest.raises(BrokenDocument, match="memory"):
        parse(b"words " * 10_000_000, "x.txt", memory_bytes=256 << 20)


def test_a_crash_is_a_broken_document_and_the_next_one_is_read():
    with ThreadPoolExecutor(1) as pool:
        parsed = pool.submit(parse, SLOW, "x.html")
        os.kill(busy_child().pid, signal.SIGSEGV)
        with pytest.raises(BrokenDocument, match="SIGSEGV"):
            parsed.result()
    assert parse(b"fine", "x.txt").text == "fine"


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root may look into it")
def test_a_parsing_process_knows_nothing_and_can_do_little(monkeypatch):
    monkeypatch.setenv("BINDERY_CANARY", "secret")
    own = client.Template()
    request = Request("x.html", SandboxLimits(1 << 30, 60), SLOW)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(own.ask, request, 30.0)
        try:
            child = busy_child()
            assert "secret" not in str(child.environ())
            assert set(child.environ()) <= set(client._LOADER_VARIABLES) | {"LC_CTYPE"}
            assert child.num_threads() == 1
            if sys.platform == "linux":
                assert child.rlimit(psutil.RLIMIT_AS) == (1 << 30, 1 << 30)
                assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
                assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        finally:
            own.close()
        with pytest.raises(BrokenDocument):
            asked.result()


def test_processor_time_is_limited_too():
    own = client.Template()
    try:
        with pytest.raises(ParseTimeout):
            own.ask(Request("x.html", SandboxLimits(1 << 30, cpu_s=1), SLOW), 60.0)
    finally:
        own.close()


def test_eight_threads_get_each_their_own_answer():
    texts = [f"document {number}\n\n{'words ' * number}".strip() for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        parsed = list(pool.map(lambda text: parse(text.encode(), "x.txt"), texts))
    assert [document.text for document in parsed] == texts


def test_nothing_is_left_open():
    parse(b"warm", "x.txt")
    process = psutil.Process()
    before = (process.num_fds(), len(family()), threading.active_count())
    for _ in range(20):
        parse(pdf_sample(), "x.pdf")
        with pytest.raises(BinderyError):
            parse(b"\x00\x01", "x")
    assert (process.num_fds(), len(family()), threading.active_count()) == before


def test_a_template_that_died_is_replaced():
    own = client.Template()
    request = Request("x.txt", SandboxLimits(1 << 30, 60), b"text")
    before = {process.pid for process in psutil.Process().children()}
    try:
        assert unpack_document(own.ask(request, 30.0), "x").text == "text"
        (template,) = (p for p in psutil.Process().children() if p.pid not in before)
        template.kill()
        assert unpack_document(own.ask(request, 30.0), "x").text == "text"
    finally:
        own.close()
    assert {process.pid for process in psutil.Process().children()} == before


def test_a_fresh_process_does_the_same_where_none_can_be_forked():
    request = Request("x.pdf", SandboxLimits(1 << 30, 60), pdf_sample())
    assert unpack_document(client.ask_fresh_process(request, 30.0), "x.pdf") == parse(
        pdf_sample(), "x.pdf"
    )
    with pytest.raises(ParseTimeout):
        client.ask_fresh_process(Request("x.html", SandboxLimits(1 << 30, 60), SLOW), 1.0)


def test_an_error_arrives_as_it_was_raised():
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(PasswordProtected) as caught:
        parse(data, "x.docx")
    assert caught.value.code == "password_protected"
    assert caught.value.remedy == "Save a copy without a password."


def test_a_script_without_a_main_guard_can_parse(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from bindery.documents import parse\nprint(parse(b'once', 'x.txt').text)\n", "utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")


def test_a_forked_caller_starts_its_own_template():
    parse(b"warm", "x.txt")
    script = (
        "import os\nfrom bindery.documents import parse\nparse(b'a', 'x')\n"
        "pid = os.fork()\ntext = parse(b'b', 'x').text\n"
        "if pid: assert os.waitpid(pid, 0)[1] == 0\n"
        "assert text == parse(b'b', 'x').text == 'b'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_document_is_read_from_a_path(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("kept", "utf-8")
    assert parse(path, "shown.txt").name == "shown.txt"
    with pytest.raises(UnknownFile, match=r"missing.txt"):
        parse(tmp_path / "missing.txt", "x")


@pytest.mark.parametrize(
    "limits", [{"timeout_s": 0}, {"timeout_s": float("nan")}, {"memory_bytes": 1}]
)
def test_limits_without_sense_are_refused(limits):
    with pytest.raises(InvalidValue):
        parse(b"x", "x", **limits)


GOOD = {"text": "abc", "kind": "text", "title": "", "warnings": []} | {
    "blocks": [["paragraph", 0, 3, 0, None]]
}


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x80\x04.",
        b"[]",
        b"null",
        orjson.dumps({}),
        orjson.dumps({"error": "internal_error", "message": "m", "remedy": "r"}),
        orjson.dumps({"error": ["broken_document"], "message": "m", "remedy": "r"}),
        orjson.dumps({"error": "broken_document", "message": 1, "remedy": "r"}),
        *(
            orjson.dumps(GOOD | change)
            for change in (
                {"text": 1},
                {"kind": "exe"},
                {"blocks": [["paragraph", 0, 4, 0, None]]},
                {"blocks": [["paragraph", 0, True, 0, None]]},
                {"blocks": [["paragraph", 0, 3, 0, "1"]]},
                {"blocks": [["script", 0, 3, 0, None]]},
                {"blocks": 5},
                {"warnings": [1]},
            )
        ),
    ],
)
def test_an_answer_that_is_none_is_a_broken_document(wrong):
    assert unpack_document(orjson.dumps(GOOD), "x").text == "abc"
    with pytest.raises(BrokenDocument, match="invalid answer"):
        unpack_document(wrong, "x")


def test_requests_survive_the_wire():
    request = Request("\udcff\n\0é", SandboxLimits(1 << 30, 31), bytes(range(256)))
    assert protocol.unpack_request(protocol.pack_request(request)) == request


def test_the_template_ends_no_process_but_its_children():
    own = client.Template()
    try:
        assert own._command(worker.END, os.getpid()) == worker.UNKNOWN
    finally:
        own.close()

"""A reader of another package that misbehaves, in the process that would run it."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from tests.documents.hostile import misbehaving
from tests.documents.hostile.canary import canary
from tests.documents.hostile.markup import SECRET

from bindery.documents.sandbox import client
from bindery.documents.sandbox.protocol import Request, SandboxLimits, unpack_document
from bindery.errors import BrokenDocument, FileTooLarge, ParseTimeout

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")

LAYERS = client.layers() if sys.platform == "linux" else {}
NEEDS = {"system calls": "no filter of system calls here", "files": "no Landlock here"}

ROOM = 256 << 20


def without(layer: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not LAYERS.get(layer), reason=NEEDS.get(layer, layer))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import from that has the reader by its entry point."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copy(misbehaving.__file__, folder)
    described = folder / "misbehaving-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: misbehaving\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[bindery.readers]\nmisbehaving=misbehaving:ROW\n")
    return folder


@contextmanager
def started(package: Path) -> Iterator[client.Template]:
    """A template that has the reader, until it dies: the next would not find the package."""
    made = client.Template()
    sys.path.append(str(package))
    try:
        made.ask(request("descriptors"), 60.0)
    finally:
        sys.path.remove(str(package))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def template(package: Path) -> Iterator[client.Template]:
    """One for all tests, none of which may end it."""
    with started(package) as made:
        yield made


def request(deed: str, given: str = "", cpu_s: int = 60, memory_bytes: int = ROOM) -> Request:
    data = f"#misbehave {deed}\n{given}".encode()
    return Request(f"x.{deed}", SandboxLimits(memory_bytes, cpu_s), data)


def told(template: client.Template, deed: str, given: str = "", **limits: float):
    """What the reader has to tell of its deed."""
    packed = template.ask(request(deed, given), limits.get("timeout_s", 30.0))
    return json.loads(unpack_document(packed, "x").text)


def is_well(template: client.Template) -> bool:
    """No child is left, and the next document is read as if nothing had been."""
    read = unpack_document(
        template.ask(Request("x.txt", SandboxLimits(ROOM, 9), b"fine"), 30.0), "x.txt"
    )
    return read.text == "fine" and not template_process(template).children()


def template_process(template: client.Template) -> psutil.Process:
    return psutil.Process(template._process.pid)


@pytest.fixture(scope="module")
def attempts(template, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """What came of everything that it tried, and what it tried it on."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "file").write_text(SECRET)
    with canary() as listening:
        port = listening.address.rpartition(":")[2]
        given = {"folder": str(folder), "file": str(folder / "file"), "port": port}
        outcomes = told(template, "attempts", json.dumps(given))
        yield SimpleNamespace(folder=folder, outcomes=outcomes, hits=listening.hits)


@without("system calls")
@without("files")
@pytest.mark.parametrize("attempt", misbehaving._ATTEMPTS)
def test_it_cannot(attempts, attempt):
    assert not attempts.outcomes[attempt].startswith("done"), attempts.outcomes[attempt]


@without("files")
def test_nothing_came_of_its_attempts(attempts):
    assert attempts.hits == 0
    assert SECRET not in str(attempts.outcomes)
    assert [path.name for path in attempts.folder.iterdir()] == ["file"]
    assert (attempts.folder / "file").read_text() == SECRET
    assert not Path("/tmp/bindery-misbehaving").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_same_attempts_succeed_without_a_sandbox(tmp_path):
    """Else it would be no feat to refuse them; those that need a privilege are left out."""
    (tmp_path / "file").write_text(SECRET)
    with canary() as listening:
        port = listening.address.rpartition(":")[2]
        given = {"folder": str(tmp_path), "file": str(tmp_path / "file"), "port": port}
        for attempt in (
            *("read a file of the user", "list a folder of the user", "read the password file"),
            *("open a socket", "connect", "start a program", "start a thread", "write a file"),
            *("append to a file", "make a folder", "link by name", "make a pipe by name"),
            *("make a file of memory", "signal its parent", "remove a file"),
        ):
            assert misbehaving._outcome(misbehaving._ATTEMPTS[attempt], given).startswith("done")
    assert listening.hits == 1


ALONE = {
    "network": ("confinement._leave_network()", "socket.create_connection({0})"),
    "files": ("privileges(); confinement.allow_reading_only([])", "open({1})"),
    "files for writing": ("privileges(); confinement.allow_reading_only([])", "open({1}, 'a')"),
    "system calls for writing": (
        "privileges(); confinement.filter_system_calls()",
        "open({1}, 'a')",
    ),
    "system calls for a network": (
        "privileges(); confinement.filter_system_calls()",
        "socket.socket()",
    ),
}
"""By layer: how it is put on without the others, and what then fails that did not before."""


@pytest.mark.parametrize("layer", ALONE)
def test_each_layer_holds_without_the_others(layer, tmp_path):
    if not any(holds and layer.startswith(name[:5]) for name, holds in LAYERS.items()):
        pytest.skip(f"there is no such layer here: {layer}")
    (tmp_path / "file").write_text(SECRET)
    put_on, deed = ALONE[layer]
    with canary() as listening:
        place = ("127.0.0.1", int(listening.address.rpartition(":")[2]))
        deed = deed.replace("{0}", repr(place)).replace("{1}", repr(str(tmp_path / "file")))
        script = (
            "import ctypes, socket\nfrom bindery.documents.sandbox import confinement\n"
            "def privileges(): ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)\n"
            f"{deed}\nprint('before', flush=True)\n{put_on}\n"
            f"try: {deed}\nexcept OSError as error: print(type(error).__name__)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.stdout.startswith("before\n"), done.stderr
        assert done.stdout.endswith("Error\n"), done.stdout


def test_privileges_are_given_up_for_good():
    script = (
        "import ctypes\nfrom bindery.documents.sandbox import confinement\nconfinement.enclose()\n"
        "asked = ctypes.CDLL(None).prctl\nprint(asked(39, 0, 0, 0, 0), asked(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "1 0\n", done.stderr  # no new privileges, not dumpable


def test_it_inherits_nothing_but_its_socket(template):
    assert told(template, "descriptors") == {
        **dict.fromkeys("012", "device"),
        "3": "socket",
    }


def test_it_knows_nothing_of_the_environment(template, monkeypatch):
    monkeypatch.setenv("BINDERY_CANARY", SECRET)
    known = told(template, "environment")
    assert SECRET not in known.values()
    assert all(name.endswith("_NUM_THREADS") for name in known)


@pytest.mark.parametrize(
    ("deed", "error", "says"),
    [
        ("memory", BrokenDocument, "more memory"),
        ("recursion", BrokenDocument, "RecursionError"),
        ("fail", BrokenDocument, "KeyError"),
        ("exit", BrokenDocument, "exit code"),
        ("crash", BrokenDocument, "SIGSEGV"),
        ("abort", BrokenDocument, "SIGABRT"),
        ("leave", BrokenDocument, "exit code 0"),
        ("mute", BrokenDocument, "SIGKILL"),
        ("long text", FileTooLarge, "60,000,002 characters"),
    ],
)
def test_what_it_does_to_itself_is_told(template, deed, error, says):
    with pytest.raises(error, match=says):
        unpack_document(template.ask(request(deed, memory_bytes=1 << 30), 30.0), "x")
    assert is_well(template)


@pytest.mark.parametrize("deed", ["processor", "sleep", "deaf", "trickle"])
def test_it_is_stopped_when_its_time_is_up(template, deed):
    with pytest.raises(ParseTimeout):
        template.ask(request(deed), 0.5)
    assert is_well(template)


def test_it_is_stopped_when_its_processor_time_is_up_though_deaf_to_signals(template):
    with pytest.raises(BrokenDocument, match="SIGKILL"):
        template.ask(request("deaf", cpu_s=1), 60.0)
    assert is_well(template)


def test_an_endless_answer_is_cut_off(template, monkeypatch):
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 8 << 20)
    before = psutil.Process().memory_info().rss
    with pytest.raises(FileTooLarge):
        template.ask(request("output"), 60.0)
    assert psutil.Process().memory_info().rss - before < 64 << 20
    assert is_well(template)


@pytest.mark.parametrize("lie", ["", "{", '{"text": 1}', '{"error": "internal_error"}', "\x80"])
def test_an_answer_of_its_own_is_not_believed(template, lie):
    with pytest.raises(BrokenDocument):
        unpack_document(template.ask(request("lie", lie), 30.0), "x")


def test_it_ends_with_the_template(package):
    """Killed at once, as by the kernel when memory is short, the template leaves none behind."""
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            template.ask(request("sleep"), 600.0)
        except BrokenDocument as error:
            caught.append(error)

    with started(package) as template:
        asking = threading.Thread(target=ask)
        asking.start()
        while not (template._process and (children := template_process(template).children())):
            pass
        template._process.kill()
        psutil.wait_procs(children, timeout=60)
        assert not any(child.is_running() for child in children)
        asking.join()
        assert len(caught) == 1
        assert is_well(template)


ANSWER = '{"text": "fine", "kind": "text", "blocks": [], "warnings": [], "title": ""}'


def test_an_answer_of_one_that_crashed_is_not_believed(template):
    assert unpack_document(ANSWER.encode(), "x").text == "fine"
    assert unpack_document(template.ask(request("lie", ANSWER), 30.0), "x").text == "fine"
    with pytest.raises(BrokenDocument, match="SIGSEGV"):
        template.ask(request("lie and crash", ANSWER), 30.0)


@pytest.mark.parametrize(
    ("deed", "says"), [("lie and crash", "SIGSEGV"), ("leave", "exit code 0"), ("exit", "code 3")]
)
def test_a_crash_of_a_process_of_its_own_is_told(package, monkeypatch, deed, says):
    monkeypatch.syspath_prepend(str(package))
    with pytest.raises(BrokenDocument, match=says):
        client.ask_fresh_process(request(deed, ANSWER), 60.0)


@without("system calls")
@without("files")
def test_a_process_of_its_own_can_do_no_more(package, tmp_path, monkeypatch):
    """Where none can be forked, a new Python does the same work within the same layers."""
    monkeypatch.syspath_prepend(str(package))
    (tmp_path / "file").write_text(SECRET)
    given = {"folder": str(tmp_path), "file": str(tmp_path / "file"), "port": "9"}
    packed = client.ask_fresh_process(request("attempts", json.dumps(given)), 60.0)
    outcomes = json.loads(unpack_document(packed, "x").text)
    assert not [name for name, outcome in outcomes.items() if outcome.startswith("done")]

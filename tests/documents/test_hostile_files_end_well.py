"""Every document ends in a result or a clear error, whatever it holds and whatever it is called.

The same at full scale, with figures: ``python -m tests.documents.hostile``.
"""

import contextlib
import io
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest
from tests.documents.hostile.archives import BORNE, REFUSED
from tests.documents.hostile.canary import Canary, canary
from tests.documents.hostile.doors import embed, upload
from tests.documents.hostile.markup import CARRIERS, NESTED, REFUSING, SECRET, disguised, entities
from tests.documents.hostile.mutations import mutated
from tests.documents.hostile.names import hostile_names
from tests.documents.hostile.pdfs import PDFS
from tests.documents.hostile.polyglots import polyglots
from tests.documents.hostile.references import references
from tests.documents.hostile.sheets import SHEETS
from tests.documents.hostile.trial import Trial, processes
from tests.documents.samples import SAMPLES, with_member

from bindery.documents import READERS, parse, read
from bindery.errors import BinderyError, BrokenDocument, PasswordProtected

MUTATIONS, POLYGLOTS, NAMES, UPLOADS, FILES = 150, 12, 150, 80, 80
SLOW = {"forms-loop.pdf", "forms-doubling.pdf", "chained.pdf", "columns.csv", "pages.pdf"}
"""Three seconds each, of which the tests have too few."""

GREW_BYTES = 50 << 20


@pytest.fixture
def listening() -> Iterator[Canary]:
    with canary() as listening:
        yield listening
    assert listening.hits == 0
    assert listening.attempts == []


@pytest.fixture
def trial() -> Iterator[Trial]:
    """One whose files leave nothing behind: no process, no memory."""
    trial = Trial()
    yield trial
    assert trial.outcomes
    assert processes() == []
    assert trial.grown_bytes < GREW_BYTES


@pytest.mark.parametrize("name", REFUSED)
def test_a_container_made_to_do_harm_is_refused(name):
    make, says = REFUSED[name]
    before = psutil.Process().memory_info().rss
    data = make()
    with pytest.raises((BrokenDocument, PasswordProtected), match=says):
        parse(data, name)
    assert psutil.Process().memory_info().rss - before < GREW_BYTES + 2 * len(data)


def test_what_lies_within_a_container_is_not_opened(trial):
    trial.run((name, make()) for name, make in BORNE.items())
    assert set(trial.outcomes) == {"read"}


def test_containers_are_checked_for_every_kind_that_is_one():
    kinds = [kind for kind, reader in READERS.items() if reader.member]
    assert {"docx", "pptx", "xlsx", "ods", "odt", "epub"} <= set(kinds)
    for kind in kinds:
        bomb = with_member(SAMPLES[kind](), "more.bin", bytes(60 << 20))
        with pytest.raises(BrokenDocument, match="could exhaust memory"):
            read(bomb, "x")


@pytest.mark.parametrize("files", [NESTED, PDFS, SHEETS], ids=["nested", "pdf", "sheets"])
def test_files_made_to_exhaust_end_well(files, trial):
    quick = {name: make for name, make in files.items() if name not in SLOW}
    trial.run(((name, make()) for name, make in quick.items()), timeout_s=20)


def test_polyglots_end_well(trial):
    files = list(polyglots().items())
    assert len(files) > 300
    trial.run(islice(files, 0, None, len(files) // POLYGLOTS))


def test_damaged_files_end_well(trial):
    trial.run(mutated(MUTATIONS))


def test_damage_is_the_same_for_the_same_seed_whatever_the_time(monkeypatch):
    first = list(mutated(40))
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(10**9))
    assert list(mutated(40)) == first != list(mutated(40, seed=2))


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """The address of a file that no document may bring out."""
    (tmp_path / "secret").write_text(SECRET)
    return (tmp_path / "secret").as_uri()


def test_no_entity_brings_a_file_out_or_grows(secret):
    """In this process, where the file could be read if a reader tried to."""
    for name, data in {**entities(secret), **disguised()}.items():
        try:
            document = read(data, name)
        except BinderyError:
            continue
        assert SECRET not in document.text
        assert len(document.text) < 3 * len(data)
        assert "<!ENTITY" not in data.decode("latin-1") or not name.endswith(REFUSING), name


@pytest.mark.parametrize("name", REFUSING)
def test_declarations_are_refused_even_if_nothing_uses_them(name):
    with pytest.raises(BrokenDocument, match="defines XML entities"):
        read(CARRIERS[name]("<!DOCTYPE x [<!ELEMENT x ANY>]>", "words"), name)
    plain = read(CARRIERS[name]("", "words"), name)
    assert (
        read(CARRIERS[name]('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', "words"), name)
        == plain
    )


def test_the_secret_would_be_seen(secret):
    assert SECRET in Path(secret.removeprefix("file://")).read_text()
    assert {name for name in CARRIERS if SECRET in read(CARRIERS[name]("", SECRET), name).text} >= {
        *REFUSING,
        "x.html",
    }


def test_nothing_is_fetched_that_a_document_refers_to(listening):
    """In this process, which could: the sandbox's walls would hide a reader that tries."""
    ended = 0
    for name, data in references(listening.address).items():
        with contextlib.suppress(BinderyError):
            assert read(data, name).kind in READERS
        ended += 1
    assert ended > 60


def test_a_listener_hears_who_calls():
    with canary() as listening, contextlib.suppress(OSError):
        urllib.request.urlopen(listening.address, timeout=60)
    assert listening.hits == 1
    assert listening.attempts


# Names


def tree(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What lies beside the data folder, deep enough for ``..`` to stay within."""
    folder = tmp_path / "a" / "b" / "c"
    (folder / "beside").mkdir(parents=True)
    return folder


def test_names_are_hostile_and_many():
    names = list(hostile_names(5_000, ["/folder"]))
    assert len(names) == 5_000
    assert len(set(names)) > 4_500
    assert "../" in "".join(names)
    assert any("\0" in name for name in names)
    assert any(len(name) >= 4_096 for name in names)


def test_no_name_leads_a_document_astray(outside, trial, monkeypatch):
    monkeypatch.chdir(outside / "beside")
    before = tree(outside.parents[2])
    names = hostile_names(NAMES, [str(outside)])
    trial.run((name, b"words") for name in names)
    assert set(trial.outcomes) == {"read"}
    assert tree(outside.parents[2]) == before


def test_no_name_leads_an_upload_astray(outside, monkeypatch):
    monkeypatch.chdir(outside / "beside")
    outcomes = upload(hostile_names(UPLOADS, [str(outside)]), outside)
    assert outcomes["kept"] > UPLOADS


def test_no_name_on_a_disk_leads_the_command_line_astray(outside, minilm_folder):
    outcomes = embed(hostile_names(FILES, [str(outside)], seed=7), outside)
    assert outcomes["done"] > FILES // 3 < outcomes["one by one"]


def test_a_container_without_harm_is_read():
    """Else to refuse all would do."""
    for kind in ("docx", "odt", "ods", "xlsx", "pptx", "epub"):
        with zipfile.ZipFile(io.BytesIO(SAMPLES[kind]())) as sample:
            assert sample.testzip() is None
        assert read(SAMPLES[kind](), f"x.{kind}").text

"""What holds for every row of the readers' table."""

import ast
import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.ole_samples import ole_file
from tests.documents.samples import FIRST, HEADING, SAMPLES, SECOND, msg_texts, with_member
from tests.documents.test_pdf_loses_nothing import form

import bindery.documents.formats
from bindery.documents import READERS, detect_kind, parse, read
from bindery.errors import BinderyError, BrokenDocument
from bindery.types import Document

KINDS = [kind for kind, reader in READERS.items() if not reader.needs]
"""Those of an extra have a test of their own."""


def read_or_refuse(data: bytes, name: str) -> None:
    with contextlib.suppress(BinderyError):
        check(read(data, name))


def check(document: Document) -> None:
    assert document.text.encode("utf-8").decode("utf-8") == document.text
    assert "\0" not in document.text
    assert "\r" not in document.text
    for block in document.blocks:
        assert document.quote(block.span).strip()


def test_every_kind_has_a_sample():
    assert set(SAMPLES) == set(KINDS)


def test_every_reader_in_the_folder_is_in_the_table():
    folder = Path(bindery.documents.formats.__file__).parent
    written = {
        f"bindery.documents.formats.{path.stem}:{node.name}"
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("read_")
    }
    assert written == {reader.function for reader in READERS.values()}


def test_no_two_kinds_claim_one_extension_or_media_type():
    for claims in ("extensions", "media_types"):
        claimed = [claim for reader in READERS.values() for claim in getattr(reader, claims)]
        assert len(claimed) == len(set(claimed))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_read_in_order(kind):
    name = f"sample{READERS[kind].extensions[0]}"
    document = read(SAMPLES[kind](), name)

    assert (document.kind, document.name, document.warnings) == (kind, name, ())
    assert document.text.index(HEADING) < document.text.index(FIRST) < document.text.index(SECOND)
    check(document)
    quotes = [document.quote(block.span) for block in document.blocks if block.kind != "page"]
    if any(block.kind == "table" for block in document.blocks) and SECOND not in quotes:
        assert any(f"| {SECOND} " in quote for quote in quotes)
        return
    if kind == "json":  # one value, which nothing divides
        return
    assert any(HEADING in quote and FIRST not in quote for quote in quotes)
    assert any(SECOND in quote and FIRST not in quote for quote in quotes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sandbox_reads_the_same(kind):
    data, name = SAMPLES[kind](), f"sample{READERS[kind].extensions[0]}"
    assert parse(data, name) == read(data, name)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not READERS[kind].is_textual])
def test_a_wrong_name_does_not_mislead(kind):
    for name in ("x.txt", "x.html", "x", "x.pdf", "x.docx", ""):
        assert detect_kind(SAMPLES[kind](), name) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_readers_survive_truncated_files(kind):
    data, name = SAMPLES[kind](), f"sample{READERS[kind].extensions[0]}"
    cuts = sorted(
        {*range(0, len(data), max(len(data) // 150, 1)), *range(len(data) - 40, len(data))}
    )
    for cut in cuts:
        read_or_refuse(data[:cut], name)


@pytest.mark.parametrize("kind", KINDS)
def test_readers_survive_flipped_bits(kind):
    data, name = SAMPLES[kind](), f"sample{READERS[kind].extensions[0]}"
    chance = random.Random(kind)
    for _ in range(150):
        flipped = bytearray(data)
        for _ in range(chance.choice((1, 3, 30))):
            flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        read_or_refuse(bytes(flipped), name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sandbox_survives_broken_files(kind):
    data, name = SAMPLES[kind](), f"sample{READERS[kind].extensions[0]}"
    for broken in (data[: len(data) // 2], data[:-1], data[:9] + bytes(len(data) - 9)):
        with contextlib.suppress(BinderyError):
            check(parse(broken, name))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [b"", b"%PDF-1.7\n", b"PK\x03\x04", b"<html>", b"# ", b"\xff\xfe", b"\xfe\xff"]
    ),
    st.binary(min_size=1, max_size=400),
    st.sampled_from(["x", "x.pdf", "x.docx", "x.html", "x.md", "x.txt"]),
)
def test_readers_survive_anything(start, rest, name):
    read_or_refuse(start + rest, name)


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1), st.sampled_from(["x.html", "x.md", "x.txt", "x"]))
def test_readers_survive_any_text(text, name):
    read_or_refuse(text.encode("utf-8", "surrogatepass"), name)


def test_an_empty_file_is_broken():
    with pytest.raises(BrokenDocument, match="is empty"):
        read(b"", "x.txt")


def test_a_blank_file_is_a_document_with_a_warning():
    document = read(b" \n\n ", "x.txt")
    assert document.blocks == ()
    assert "no text" in document.warnings[0]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/b\\c.md", "\0.txt", "x" * 5000, "\udcff.txt", "con", "-rf", "", "\n"],
)
def test_a_hostile_name_is_only_data(name):
    assert parse(b"text", name).name == name
    with pytest.raises(BinderyError) as caught:
        parse(b"", name)
    assert caught.value.message.isprintable()


# The guard: a reader names each part that a person would see as text and that it did not read.

ATTACHED = (
    b"Subject: a\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nwords\n"
    b"--b\nContent-Type: application/pdf; name=report.pdf\n\nx\n--b--\n"
)
ATTACHED_TO_MSG = {
    **msg_texts("a", "words"),
    "__attach_version1.0_#00000000": {"__properties_version1.0": bytes(8)},
}
RESULT = b'{"cell_type": "code", "source": "x", "outputs": [{"data": {"image/png": "x"}}]}'
NAMED = {
    **{
        kind: (with_member(SAMPLES[kind](), "extra.txt", b"words"), "extra.txt")
        for kind in KINDS
        if READERS[kind].member
    },
    "eml": (ATTACHED, "report.pdf"),
    "mbox": (b"From a@x.org Mon Nov  2 10:00:00 2026\n" + ATTACHED, "report.pdf"),
    "msg": (ole_file(ATTACHED_TO_MSG), "an attachment without a name"),
    "rtf": (rb"{\rtf1 a{\header top}{\pict 00}}", "pictures, headers and footers"),
    "ipynb": (b'{"cells": [' + RESULT + b"]}", "Pictures among the results were not read: 1"),
    "pdf": (form("Ann Example", ""), "Some form fields on these pages were not read: 1"),
}
WHOLE = {
    *("html", "markdown", "rst", "org", "vtt", "srt", "csv", "jsonl", "json", "jats", "feed"),
    *("opml", "xml", "code", "text", "xls"),
}
"""Kinds that are one text or table. docs/documents.md says what is left out of each."""


def test_every_reader_is_guarded():
    assert NAMED.keys() | WHOLE == set(KINDS)
    assert not NAMED.keys() & WHOLE


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_not_read_is_named(kind):
    data, named = NAMED[kind]
    document = read(data, f"x{READERS[kind].extensions[0]}")
    assert document.kind == kind
    assert any(named in warning for warning in document.warnings)

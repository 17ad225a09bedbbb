"""Content first, the name where it leaves the kind open."""

import pytest
from tests.documents.samples import SAMPLES, archive, pdf_sample, unpacked, with_member

from bindery.documents import detect_kind, read, readers
from bindery.errors import BrokenDocument, PasswordProtected, UnsupportedKind


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"<!doctype html><p>x", "page.txt", "html"),
        (b"\xef\xbb\xbf  <!-- c -->\n<HTML>", "page", "html"),
        ("<html><p>x".encode("utf-16"), "page", "html"),
        (b'<?xml version="1.0"?><html xmlns="x">', "page.xml", "html"),
        (b"<p>a fragment", "part.html", "html"),
        (b"<p>a fragment", "part", "html"),
        (b"<h1 align=center>Project</h1>\n\n# Use", "README.md", "markdown"),
        (b"# Title\n\nwords", "README", "markdown"),
        (b"# a comment\nx = 1\n", "program.py", "code"),
        (b"plain words", "README", "text"),
        (b"plain words", "README.md", "markdown"),
        (b"plain words", "odd.pdf", "text"),
        (b"a,b\r\n1,2\r\n", "table.csv", "csv"),
        (b'{"a": 1}', "data.json", "json"),
        (b"MZ is how programs begin", "note", "text"),
        (b"GIF89a is a format of pictures", "note.txt", "text"),
        (b"A PDF begins with %PDF-1.4, as we know.", "note.txt", "text"),
        (b"\n\n" + pdf_sample(), "x", "pdf"),
        (bytes(200) + pdf_sample(), "x", "pdf"),
    ],
)
def test_kinds(data, name, kind):
    assert detect_kind(data, name) == kind


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"GIF89a" + bytes(range(64)), "a GIF image"),
        (b"\x7fELF" + bytes(64), "a program"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "an old Office file"),
        (archive({"a.txt": b"x"}), "a ZIP archive"),
        (archive({"xl/workbook.bin": b"x"}), "binary Excel"),
        (archive({"content.xml": b"x", "mimetype": b"application/x-other"}), "OpenDocument"),
        (bytes(range(256)) * 4, "binary data"),
    ],
)
def test_an_unknown_kind_is_named_with_what_is_supported(data, found):
    with pytest.raises(UnsupportedKind, match=found) as caught:
        detect_kind(data, "thing.docx")
    assert ", ".join(sorted(readers())) in caught.value.remedy


def test_an_encrypted_office_file_is_password_protected():
    entry = "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(PasswordProtected):
        detect_kind(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + entry, "x.docx")


def test_a_container_that_does_not_open_is_broken():
    with pytest.raises(BrokenDocument, match="ZIP"):
        detect_kind(archive({"word/document.xml": b"x" * 99})[:-30], "x.docx")


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_name_that_says_otherwise_is_reported(kind):
    reader = readers()[kind]
    claimed = "docx" if kind == "pdf" else "pdf"
    document = read(SAMPLES[kind](), f"x{reader.extensions[0]}")
    assert document.warnings == ()

    document = read(SAMPLES[kind](), f"x.{claimed}")
    if reader.is_textual and not reader.mark:
        kind = document.kind  # the name has no part in it, so it may be told as plain text
        assert readers()[kind].is_textual
    assert f"The file name says {claimed}, but the content is {kind}: it was read as {kind}." in (
        document.warnings
    )


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        # A file that is two things at once is what its beginning says.
        (pdf_sample() + archive({"word/document.xml": b"<x/>"}), "x.docx", "pdf"),
        (archive({"a.pdf": pdf_sample(), "word/document.xml": b"<x/>"}), "x.pdf", "docx"),
        (b"<html><p>" + pdf_sample(), "x.pdf", "html"),
        # Nothing is asked of a container but the member that makes it what it is.
        (SAMPLES["docx"](), "x", "docx"),
        (archive({"word/document.xml": b"<x/>", "[Content_Types].xml": b""}), "x", "docx"),
        (with_member(SAMPLES["docx"](), "xl/other.xml", b"<x/>"), "x.xlsx", "docx"),
        (with_member(SAMPLES["odt"](), "xl/other.xml", b"<x/>"), "x.ods", "odt"),
    ],
)
def test_files_of_two_kinds(data, name, kind):
    assert detect_kind(data, name) == kind


def test_a_docx_without_its_list_of_contents_is_read_all_the_same():
    parts = unpacked(SAMPLES["docx"]())
    kept = {name: part for name, part in parts.items() if name != "[Content_Types].xml"}
    assert read(archive(kept), "x.docx") == read(archive(parts), "x.docx")

"""Content first, the name where it leaves the kind open."""

import pytest
from tests.documents.samples import archive, pdf_sample

from bindery.documents import READERS, detect_kind
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
        (b"\x89PNG\r\n\x1a\n" + bytes(range(64)), "a PNG image"),
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
    assert ", ".join(sorted(READERS)) in caught.value.remedy


def test_an_encrypted_office_file_is_password_protected():
    entry = "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(PasswordProtected):
        detect_kind(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + entry, "x.docx")


def test_a_container_that_does_not_open_is_broken():
    with pytest.raises(BrokenDocument, match="ZIP"):
        detect_kind(archive({"word/document.xml": b"x" * 99})[:-30], "x.docx")

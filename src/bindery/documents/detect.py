"""Detects the kind of a document: by its content first, then by its name."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from bindery.documents.formats.archive import open_archive
from bindery.documents.formats.encoding import decode_head, is_text
from bindery.documents.readers import OCR_REMEDY, READERS, readers
from bindery.errors import BinderyError, BrokenDocument, PasswordProtected, UnsupportedKind

_HEAD_BYTES = 1024
"""How far into a file PDF readers look for the header line (ISO 32000-1, annex H.3.4.1)."""

_MOST_TYPES_BYTES = 1 << 20
_OFFICE_TYPES: Mapping[bytes, str] = {
    b"wordprocessingml.document.main+xml": "docx",
    b"wordprocessingml.template.main+xml": "docx",
    b"ms-word.document.macroEnabled.main+xml": "docx",
    b"presentationml.presentation.main+xml": "pptx",
    b"presentationml.slideshow.main+xml": "pptx",
    b"presentationml.template.main+xml": "pptx",
    b"ms-powerpoint.presentation.macroEnabled.main+xml": "pptx",
    b"spreadsheetml.sheet.main+xml": "xlsx",
    b"spreadsheetml.template.main+xml": "xlsx",
    b"ms-excel.sheet.macroEnabled.main+xml": "xlsx",
}
"""The content types of main parts, as [Content_Types].xml lists them."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

FOREIGN_STREAMS: Mapping[str, str] = {
    "WordDocument": "a Word document of before 2007 (DOC)",
    "PowerPoint Document": "a presentation of before 2007 (PPT)",
    "Book": "an Excel workbook of before 1997 (BIFF5)",
    "VisioDocument": "a Visio drawing (VSD)",
}
"""The streams of OLE files, which all begin alike."""

FOREIGN_SIGNATURES: Mapping[bytes, str] = {
    _OLE: "an old Office file",
    b"GIF8": "a GIF image",
    b"RIFF": "a WebP, WAV or AVI file",
    b"\x1f\x8b": "a GZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a BZIP2 archive",
    b"\xfd7zXZ": "an XZ archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "a Parquet file",
    b"%!PS": "a PostScript document",
}
FOREIGN_MEMBERS: Mapping[str, str] = {
    "xl/workbook.bin": "a binary Excel workbook (XLSB)",
    "content.xml": "an OpenDocument file that is neither text nor spreadsheet",
    "META-INF/MANIFEST.MF": "a Java archive",
}


def detect_kind(data: bytes, name: str) -> str:
    """The key of :func:`readers` for a document.

    ``name`` only decides between kinds of text. This opens ZIP containers, so for untrusted files
    it must run in the sandbox, as in :func:`bindery.documents.parse`.

    Raises BrokenDocument (an empty file, or a container that does not open), PasswordProtected (an
    encrypted Office file) or UnsupportedKind, which names what was found.
    """
    if not data:
        raise BrokenDocument(f"{name!r} is empty.", remedy="Check that it was saved in full.")
    start = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    _refuse_encrypted(data, name)
    for kind, reader in readers().items():
        if start.startswith(reader.signatures) and reader.inside in data:
            return kind
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_archive(data, name)
    _refuse_foreign(data, name)
    if is_text(data):
        return _kind_of_text(decode_head(data), name)
    for kind, reader in readers().items():
        # After other bytes, accept only signatures too long to occur by chance.
        marks = (mark for mark in reader.signatures if len(mark) > 4 and not reader.inside)
        if any(mark in data[:_HEAD_BYTES] for mark in marks):
            return kind
    raise _unsupported(name, "binary data of an unknown kind")


def _kind_of_archive(data: bytes, name: str) -> str:
    try:
        with open_archive(data, name) as archive:
            members = {member.replace("\\", "/") for member in archive.namelist()}
            main_kind = _kind_of_office(archive)
            media_type = _media_type(archive) if "mimetype" in members else ""
    except BinderyError:
        raise
    except Exception as error:  # zipfile raises many kinds on a damaged directory
        raise BrokenDocument(
            f"{name!r} begins like a ZIP container (DOCX, EPUB and others) but cannot be opened.",
            remedy="It may be incomplete: download or save it again.",
        ) from error
    if main_kind in readers():
        return main_kind
    for kind, reader in readers().items():
        # All OpenDocument files have the same members; the member "mimetype" tells them apart.
        if reader.member in members and (not media_type or media_type in reader.media_types):
            return kind
    found = (what for member, what in FOREIGN_MEMBERS.items() if member in members)
    raise _unsupported(name, next(found, "a ZIP archive"))


def _kind_of_office(archive: zipfile.ZipFile) -> str:
    """The kind of an Office Open XML file by the type of its main part; "" if there is none.

    The main part may have any name, such as word/document2.xml.
    """
    if "[Content_Types].xml" not in archive.namelist():
        return ""
    try:
        with archive.open("[Content_Types].xml") as file:
            types = file.read(_MOST_TYPES_BYTES)
    except Exception:  # noqa: BLE001 - zipfile raises many kinds; the later check says what is wrong
        return ""
    return next((kind for mark, kind in _OFFICE_TYPES.items() if mark in types), "")


def _media_type(archive: zipfile.ZipFile) -> str:
    """The media type that the container declares, without the suffix of templates."""
    with archive.open("mimetype") as file:
        return file.read(200).decode("latin-1").strip().removesuffix("-template")


def _refuse_encrypted(data: bytes, name: str) -> None:
    if data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data:
        raise PasswordProtected(
            f"{name!r} is an Office document protected by a password.",
            remedy="Save a copy without a password.",
        )


def _refuse_foreign(data: bytes, name: str) -> None:
    for kind in READERS.keys() - readers().keys():
        if data.startswith(READERS[kind].signatures):
            raise UnsupportedKind(
                f"{name!r} is a {kind.upper()} image. Reading its text needs the extra 'ocr', "
                "which is not installed.",
                remedy=OCR_REMEDY,
            )
    for signature, what in FOREIGN_SIGNATURES.items():
        # Many texts begin with a short signature such as "MZ"; then the data must be binary.
        certain = len(signature) > 4 or not is_text(data)
        if data.startswith(signature) and certain:
            raise _unsupported(name, _kind_of_ole(data) if signature == _OLE else what)


def _kind_of_ole(data: bytes) -> str:
    names = ((f"{stream}\0".encode("utf-16-le"), what) for stream, what in FOREIGN_STREAMS.items())
    return next((what for mark, what in names if mark in data), FOREIGN_SIGNATURES[_OLE])


def kind_by_name(name: str) -> str | None:
    """The kind that the extension of a name stands for, or None."""
    extension = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return next((k for k, reader in readers().items() if extension in reader.extensions), None)


def _kind_of_text(head: str, name: str) -> str:
    for kind, reader in readers().items():
        if reader.mark and re.match(reader.mark, head, re.IGNORECASE | re.DOTALL):
            return kind
    extension = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    for kind, reader in readers().items():
        if reader.is_textual and extension in reader.extensions:
            return kind
        if reader.hint and not extension and re.search(reader.hint, head, re.IGNORECASE):
            return kind
    return "text"


def _unsupported(name: str, found: str) -> UnsupportedKind:
    return UnsupportedKind(
        f"{name!r} is {found}, which Bindery cannot read.",
        remedy=f"Convert it to one of: {', '.join(sorted(readers()))}.",
    )

"""Guards ZIP containers (DOCX and its kin) before a library inflates them."""

import io
import re
import zipfile
from collections.abc import Mapping

from bindery.errors import BrokenDocument, PasswordProtected

MAX_MEMBERS = 2_000
"""An 872-page handbook in DOCX has about 50; one with a thousand pictures still fits."""

MAX_MEMBER_BYTES = 50 << 20
"""One part is held in memory as a whole, and as a tree in ten times as much."""

MAX_TOTAL_BYTES = 200 << 20
MAX_RATIO = 100
"""Inflated to stored bytes. XML shrinks to a tenth, at best a fortieth, a bomb to a thousandth."""

RATIO_MATTERS_BYTES = 4 << 20
"""Below this no ratio is harmful, and small parts of blank styles do reach high ones."""

_STORED_OR_DEFLATED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_PIECE_BYTES = 1 << 20
# In XML text "<" is written "&lt;", so these stand for themselves; UTF-16 has zeros in between.
_DOCTYPE = re.compile(rb"<\0?!\0?(?:D\0?O\0?C\0?T\0?Y\0?P\0?E|E\0?N\0?T\0?I\0?T\0?Y)")


def check_archive(data: bytes, name: str) -> None:
    """Refuse a container that is too large inside, encrypted, or whose XML has a DTD.

    What the container declares is checked first; then each member is inflated once, a piece at a
    time, and its real size counted. Raises BrokenDocument or PasswordProtected.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise _bomb(name, f"{len(members):,} members; the limit is {MAX_MEMBERS:,}")
        for member in members:
            if member.flag_bits & 1:
                raise PasswordProtected(
                    f"{name!r} is encrypted.", remedy="Save a copy without a password."
                )
            if member.compress_type not in _STORED_OR_DEFLATED:
                raise _bomb(name, f"compression of type {member.compress_type}")
        _check_sizes(name, {m.filename: m.file_size for m in members}, len(data))
        sizes: dict[str, int] = {}
        for member in members:
            sizes[member.filename] = _inflate(archive, member, name)
            _check_sizes(name, sizes, len(data))


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> int:
    """The real size of a member, after looking at what of it is XML."""
    size, tail = 0, b""
    with archive.open(member) as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            if size > MAX_MEMBER_BYTES:
                raise _bomb(name, f"a member above {MAX_MEMBER_BYTES >> 20} MB")
            if _DOCTYPE.search(tail + piece) and member.filename.endswith((".xml", ".rels")):
                raise BrokenDocument(
                    f"{name!r} defines XML entities, which no writer of its kind does.",
                    remedy="Open it in its own program and save it anew.",
                )
            tail = piece[-20:]
    return size


def _check_sizes(name: str, sizes: Mapping[str, int], stored: int) -> None:
    total, largest = sum(sizes.values()), max(sizes.values(), default=0)
    if largest > MAX_MEMBER_BYTES:
        raise _bomb(name, f"a member of {largest >> 20} MB; the limit is {MAX_MEMBER_BYTES >> 20}")
    if total > MAX_TOTAL_BYTES:
        raise _bomb(name, f"{total >> 20} MB when inflated; the limit is {MAX_TOTAL_BYTES >> 20}")
    if total > RATIO_MATTERS_BYTES and total > MAX_RATIO * stored:
        raise _bomb(name, f"{total // stored} times its size when inflated")


def _bomb(name: str, what: str) -> BrokenDocument:
    return BrokenDocument(
        f"{name!r} is refused as a container made to exhaust memory: it holds {what}.",
        remedy="Split the document, or save it anew in its own program.",
    )

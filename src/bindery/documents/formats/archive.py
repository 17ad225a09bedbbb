"""Guards ZIP containers (DOCX and its kin) before a library inflates them."""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence

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
_STORED_PIECE_BYTES, _PIECE_BYTES = 1 << 16, 1 << 20
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Before a member's bytes; the two numbers are the lengths of its name and of what follows that."""

_OUTSIDE = re.compile(r"^(?:[/\\]|[A-Za-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)")
# In XML text "<" is written "&lt;", so these stand for themselves; UTF-16 has zeros in between.
_DOCTYPE = re.compile(rb"<\0?!\0?(?:D\0?O\0?C\0?T\0?Y\0?P\0?E|E\0?N\0?T\0?I\0?T\0?Y)")


def open_archive(data: bytes, name: str) -> zipfile.ZipFile:
    """Open a container to look at its directory, unless that alone would take all memory.

    Raises what :mod:`zipfile` does, and BrokenDocument.
    """
    # A record of the directory begins so. They are counted as bytes, since reading a million takes
    # seconds and a gigabyte; archives that lie within, uncompressed, have some too.
    if data.count(b"PK\x01\x02") > 10 * MAX_MEMBERS:
        raise _bomb(name, f"more than {10 * MAX_MEMBERS:,} members; the limit is {MAX_MEMBERS:,}")
    return zipfile.ZipFile(io.BytesIO(data))


def check_archive(data: bytes, name: str) -> None:
    """Refuse a container that is too large inside, encrypted, lies, or whose XML has a DTD.

    What the container declares is checked first; then each member is inflated once, a piece at a
    time, and its real size counted, because not every library stops at the declared one. Archives
    within it are never opened: they count as the bytes that they are.

    Raises BrokenDocument or PasswordProtected, and what :mod:`zipfile` and :mod:`zlib` do.
    """
    with open_archive(data, name) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise _bomb(name, f"{len(members):,} members; the limit is {MAX_MEMBERS:,}")
        for member in members:
            _check_member(member, name)
        _check_sizes(name, [member.file_size for member in members], len(data))
        view = memoryview(data)
        starts = _places(members, view[: archive.start_dir], name)
        sizes: list[int] = []
        for member, start in zip(members, starts, strict=True):
            stored = view[start : start + member.compress_size]
            sizes.append(_inflate(member, stored, name))
            _check_sizes(name, sizes, len(data))


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    if member.flag_bits & 1:
        raise PasswordProtected(f"{name!r} is encrypted.", remedy="Save a copy without a password.")
    if member.compress_type not in _STORED_OR_DEFLATED:
        raise _bomb(name, f"compression of type {member.compress_type}")
    if stat.S_ISLNK(member.external_attr >> 16) or _OUTSIDE.search(member.filename):
        raise BrokenDocument(
            f"{name!r} is refused: its member {member.filename[:80]!r} points out of the "
            "container, which no writer of its kind does.",
            remedy="Open it in its own program and save it anew.",
        )


def _places(members: Sequence[zipfile.ZipInfo], data: memoryview, name: str) -> list[int]:
    """Where the bytes of each member start, which lie one behind another.

    A container whose members share bytes holds petabytes in a few of them
    (https://www.usenix.org/conference/woot19/presentation/fifield).
    """
    starts: list[int] = []
    for member in members:
        offset = member.header_offset
        header = data[offset : offset + _LOCAL_HEADER.size]
        if len(header) < _LOCAL_HEADER.size or bytes(header[:4]) != b"PK\x03\x04":
            raise _damaged(name, f"its member {member.filename[:80]!r} is not where it should be")
        starts.append(offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header)))
    free = 0
    for member, start in sorted(zip(members, starts, strict=True), key=lambda pair: pair[1]):
        if member.header_offset < free:
            raise _bomb(name, "members that share their bytes")
        free = start + member.compress_size
    if free > len(data):
        raise _damaged(name, "its last member is cut short")
    return starts


def _inflate(member: zipfile.ZipInfo, stored: memoryview, name: str) -> int:
    """The real size of a member, after looking at what of it is XML."""
    is_xml = member.filename.endswith((".xml", ".rels"))
    size, checksum, tail = 0, 0, b""
    for piece in _pieces(member, stored):
        size += len(piece)
        if size > member.file_size:
            raise _bomb(name, f"a member larger than the {member.file_size:,} B it declares")
        if is_xml and _DOCTYPE.search(tail + piece):
            raise BrokenDocument(
                f"{name!r} defines XML entities, which no writer of its kind does.",
                remedy="Open it in its own program and save it anew.",
            )
        checksum, tail = zlib.crc32(piece, checksum), piece[-20:]
    if size < member.file_size or checksum != member.CRC:
        raise _damaged(name, f"its member {member.filename[:80]!r} is not what it was when written")
    return size


def _pieces(member: zipfile.ZipInfo, stored: memoryview) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for start in range(0, len(stored), _STORED_PIECE_BYTES):
        piece = bytes(stored[start : start + _STORED_PIECE_BYTES])
        if member.compress_type == zipfile.ZIP_DEFLATED:
            piece = inflater.decompress(piece, _PIECE_BYTES)
        while piece:
            yield piece
            piece = inflater.decompress(inflater.unconsumed_tail, _PIECE_BYTES)


def _check_sizes(name: str, sizes: Sequence[int], stored: int) -> None:
    total, largest = sum(sizes), max(sizes, default=0)
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


def _damaged(name: str, what: str) -> BrokenDocument:
    return BrokenDocument(
        f"{name!r} is damaged: {what}.", remedy="Fetch it again, or save it anew."
    )

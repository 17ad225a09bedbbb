"""Checks ZIP containers (DOCX and similar) before a library decompresses them."""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence

from bindery.errors import BrokenDocument, PasswordProtected

MAX_MEMBERS = 2_000
"""An 872-page handbook in DOCX has about 50 members; one with a thousand pictures still fits."""

MAX_MEMBER_BYTES = 50 << 20
"""A member is held in memory as a whole; as a tree it takes ten times as much."""

MAX_TOTAL_BYTES = 200 << 20
MAX_RATIO = 100
"""Decompressed to stored bytes. XML reaches 10, at best 40; a ZIP bomb reaches 1,000."""

RATIO_MATTERS_BYTES = 4 << 20
"""Below this no ratio is harmful, and small files full of blank styles do reach high ratios."""

_STORED_OR_DEFLATED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_STORED_PIECE_BYTES, _PIECE_BYTES = 1 << 16, 1 << 20
_LOCAL_HEADER = struct.Struct("<26xHH")
"""The header before a member's bytes; it ends with the lengths of the name and the extra field."""

_OUTSIDE = re.compile(r"^(?:[/\\]|[A-Za-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)")


def open_archive(data: bytes, name: str) -> zipfile.ZipFile:
    """Open a container to read its directory, unless that alone would exhaust memory.

    Raises BrokenDocument, and whatever :mod:`zipfile` raises.
    """
    # Each record of the directory begins like this. They are counted before parsing, because a
    # million records take seconds and a gigabyte. Uncompressed archives inside have some too.
    if data.count(b"PK\x01\x02") > 10 * MAX_MEMBERS:
        raise _bomb(name, f"more than {10 * MAX_MEMBERS:,} members; the limit is {MAX_MEMBERS:,}")
    return zipfile.ZipFile(io.BytesIO(data))


def check_archive(data: bytes, name: str) -> None:
    """Refuse a container that is too large, encrypted or inconsistent.

    The declared sizes are checked first. Then each member is decompressed once, piece by piece, to
    count its real size, because not every library stops at the declared one. Archives inside the
    container are not opened.

    Raises BrokenDocument or PasswordProtected, and whatever :mod:`zipfile` and :mod:`zlib` raise.
    """
    with open_archive(data, name) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise _bomb(name, f"{len(members):,} members; the limit is {MAX_MEMBERS:,}")
        for member in members:
            _check_member(member, name)
        _check_sizes(name, [member.file_size for member in members], len(data))
        view = memoryview(data)
        starts = _starts(members, view[: archive.start_dir], name)
        sizes: list[int] = []
        for member, start in zip(members, starts, strict=True):
            stored = view[start : start + member.compress_size]
            sizes.append(_inflate(member, stored, name))
            _check_sizes(name, sizes, len(data))


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    if member.flag_bits & 1:
        raise PasswordProtected(
            f"{name!r} is protected by a password.", remedy="Save a copy without a password."
        )
    if member.compress_type not in _STORED_OR_DEFLATED:
        raise _bomb(name, f"compression of type {member.compress_type}")
    if stat.S_ISLNK(member.external_attr >> 16) or _OUTSIDE.search(member.filename):
        raise BrokenDocument(
            f"{name!r} was refused: its member {member.filename[:80]!r} points outside the "
            "container, which no program writes.",
            remedy="Open it in the program that wrote it and save it again.",
        )


def _starts(members: Sequence[zipfile.ZipInfo], data: memoryview, name: str) -> list[int]:
    """Where the bytes of each member start; they must not overlap.

    A small container whose members share bytes can decompress to petabytes
    (https://www.usenix.org/conference/woot19/presentation/fifield).
    """
    starts: list[int] = []
    for member in members:
        offset = member.header_offset
        header = data[offset : offset + _LOCAL_HEADER.size]
        if len(header) < _LOCAL_HEADER.size or bytes(header[:4]) != b"PK\x03\x04":
            raise _damaged(name, f"its member {member.filename[:80]!r} is missing")
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
    """The real size of a member. Raises BrokenDocument if it is not what was declared."""
    size, checksum = 0, 0
    for piece in _pieces(member, stored):
        size += len(piece)
        if size > member.file_size:
            raise _bomb(name, f"a member larger than its declared {member.file_size:,} bytes")
        checksum = zlib.crc32(piece, checksum)
    if size < member.file_size or checksum != member.CRC:
        raise _damaged(name, f"the checksum of its member {member.filename[:80]!r} is wrong")
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
        raise _bomb(name, f"{total >> 20} MB unpacked; the limit is {MAX_TOTAL_BYTES >> 20}")
    if total > RATIO_MATTERS_BYTES and total > MAX_RATIO * stored:
        raise _bomb(name, f"{total // stored} times its size when unpacked")


def _bomb(name: str, what: str) -> BrokenDocument:
    return BrokenDocument(
        f"{name!r} was refused because opening it could exhaust memory: it has {what}.",
        remedy="Split the document, or save it again in the program that wrote it.",
    )


def _damaged(name: str, what: str) -> BrokenDocument:
    return BrokenDocument(f"{name!r} is damaged: {what}.", remedy="Download it or save it again.")

"""Containers that inflate beyond measure, lie, share bytes or point elsewhere."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.documents.samples import (
    archive,
    docx_sample,
    odt_sample,
    unpacked,
    with_member,
    xlsx_sample,
)

ZEROS = 60 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A member as its two records describe it, true or not."""

    name: bytes
    stored: bytes
    size: int
    checksum: int
    method: int = zipfile.ZIP_DEFLATED
    stored_size: int | None = None
    offset: int | None = None
    """Where the directory says that it is, if not where it is."""

    flags: int = 0
    mode: int = 0


def deflated(name: str, content: bytes) -> Member:
    return Member(name.encode(), _deflate(content), len(content), zlib.crc32(content))


def zip_of(members: Sequence[Member]) -> bytes:
    """A container with just these records."""
    body, directory = bytearray(), bytearray()
    for member in members:
        offset = len(body) if member.offset is None else member.offset
        directory += b"PK\x01\x02" + struct.pack("<H", 3 << 8 | 20) + _shared(member)
        directory += struct.pack("<HHHII", 0, 0, 0, member.mode << 16, offset) + member.name
        if member.offset is None:
            body += _local(member) + member.stored
    counted = struct.pack("<HHII", *(len(members) & 0xFFFF,) * 2, len(directory), len(body))
    return bytes(body + directory) + b"PK\x05\x06" + bytes(4) + counted + bytes(2)


def _local(member: Member) -> bytes:
    return b"PK\x03\x04" + _shared(member) + member.name


def _shared(member: Member) -> bytes:
    """What both records of a member say of it."""
    length = len(member.stored) if member.stored_size is None else member.stored_size
    return struct.pack(
        "<HHHHHIIIHH",
        *(20, member.flags, member.method, 0, 0x21),
        *(member.checksum, length, member.size, len(member.name), 0),
    )


def flat_bomb() -> bytes:
    return with_member(docx_sample(), "word/document.xml", bytes(ZEROS))


def many_small_bombs() -> bytes:
    member = deflated("word/document.xml", bytes(20 << 20))
    return zip_of([replace(member, name=b"word/%d.xml" % n) for n in range(50)] + [member])


def nested_bomb() -> bytes:
    """A thousand to one, five times over: what opens archives within archives never ends."""
    inner = archive({"0": bytes(10 << 20)})
    for _ in range(5):
        inner = archive({str(number): inner for number in range(16)})
    return with_member(docx_sample(), "word/embeddings/inner.zip", inner)


def sharing_members() -> bytes:
    """A directory of 1,000 records that all point to the one member there is."""
    main = _parts(docx_sample())
    shared = deflated("word/media/0.bin", bytes(3 << 10))
    again = [replace(shared, name=b"word/media/%d.bin" % n, offset=0) for n in range(1, 1000)]
    return zip_of([shared, *main, *again])


def quoting_members() -> bytes:
    """Sixty members in one: each quotes the header of the next, then goes on as it.

    No two records point to the same place: https://www.bamsoftware.com/hacks/zipbomb/
    """
    content, stored = bytes(60 << 10), _deflate(bytes(60 << 10))
    members: list[Member] = []
    for number in reversed(range(60)):
        name = b"word/media/%02d.bin" % number
        member = Member(name, stored, len(content), zlib.crc32(content))
        members.insert(0, member)
        head = _local(member)
        block = b"\0" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF)
        content, stored = head + content, block + head + stored
    step = len(head) + len(block)
    quoted = [replace(member, offset=step * place) for place, member in enumerate(members)]
    return zip_of([members[0], *quoted[1:], *_parts(docx_sample())])


def lying_small() -> bytes:
    """Declares a hundred bytes and holds sixty million."""
    return zip_of([replace(m, size=100) for m in _parts(flat_bomb())])


def lying_large() -> bytes:
    members = _parts(docx_sample())
    return zip_of([replace(members[0], size=(4 << 30) - 1), *members[1:]])


def lying_in_a_workbook() -> bytes:
    sheet = b"<worksheet><sheetData>" + b" " * ZEROS + b"</sheetData></worksheet>"
    members = _parts(with_member(xlsx_sample(), "xl/worksheets/sheet1.xml", sheet))
    return zip_of([replace(member, size=min(member.size, 500)) for member in members])


def many_members(count: int = 30_000) -> bytes:
    empty = Member(b"", b"", 0, 0, method=zipfile.ZIP_STORED)
    return zip_of([replace(empty, name=b"%x" % n) for n in range(count)] + _parts(docx_sample()))


def wrongly_counted() -> bytes:
    """Its end says that there is one member; the directory goes on."""
    data = bytearray(many_members(3_000))
    place = data.rindex(b"PK\x05\x06")
    data[place + 8 : place + 12] = struct.pack("<HH", 1, 1)
    return bytes(data)


def symbolic_link() -> bytes:
    link = replace(deflated("word/link.xml", b"/etc/passwd"), mode=0o120777)
    return zip_of([*_parts(docx_sample()), link])


def encrypted() -> bytes:
    return zip_of([replace(member, flags=1) for member in _parts(docx_sample())])


def strange_compression() -> bytes:
    return zip_of([replace(member, method=14) for member in _parts(docx_sample())])


def cut_in_its_data() -> bytes:
    members = _parts(docx_sample())
    last = members[-1]
    return zip_of([*members[:-1], replace(last, stored_size=len(last.stored) + 10_000)])


def pointing_to(name: str) -> bytes:
    return zip_of([*_parts(docx_sample()), deflated(name, b"evil")])


def _parts(container: bytes) -> list[Member]:
    return [deflated(name, content) for name, content in unpacked(container).items()]


def _deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


REFUSED: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "flat-bomb.docx": (flat_bomb, "60 MB"),
    "many-small-bombs.docx": (many_small_bombs, "MB unpacked"),
    "flat-bomb.odt": (
        lambda: with_member(odt_sample(), "content.xml", bytes(ZEROS)),
        "60 MB",
    ),
    "sharing.docx": (sharing_members, "share their bytes"),
    "quoting.docx": (quoting_members, "share their bytes"),
    "lying-small.docx": (lying_small, "larger than its declared 100 bytes"),
    "lying-large.docx": (lying_large, "MB; the limit"),
    "lying.xlsx": (lying_in_a_workbook, "larger than"),
    "many.docx": (many_members, "more than 20,000 members"),
    "wrongly-counted.docx": (wrongly_counted, "members"),
    "link.docx": (symbolic_link, "points outside"),
    "encrypted.docx": (encrypted, "Save a copy without"),
    "lzma.docx": (strange_compression, "compression"),
    "cut.docx": (cut_in_its_data, "cut short|share"),
    "absolute.docx": (lambda: pointing_to("/etc/cron.d/evil"), "points outside"),
    "above.docx": (lambda: pointing_to("word/../../../evil"), "points outside"),
    "drive.docx": (lambda: pointing_to("C:\\Windows\\evil"), "points outside"),
    "unc.docx": (lambda: pointing_to("\\\\host\\share\\evil"), "points outside"),
}
"""By name: how it is made, and what its refusal says."""

BORNE: Mapping[str, Callable[[], bytes]] = {"nested-bomb.docx": nested_bomb}
"""What a reader need not refuse, because it never looks there."""

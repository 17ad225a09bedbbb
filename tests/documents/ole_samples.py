"""OLE compound files, in which older Office files and messages of Outlook are stored."""

import struct
from collections.abc import Mapping
from typing import TypeAlias

Streams: TypeAlias = Mapping[str, "bytes | Streams"]


def ole_file(streams: Streams) -> bytes:
    """An OLE compound file ([MS-CFB]) with these streams in its root; a mapping is a storage."""
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    table: list[int] = []
    contents: list[bytes] = []
    entries: list[bytes] = []

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        encoded = (name + "\0").encode("utf-16-le")
        return (
            encoded.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(encoded), kind, 1, free, right, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    def put(inside: Streams) -> int:
        """Put the entries of a storage, each linked to the next; returns the first one."""
        right = free
        for name, content in reversed(inside.items()):
            if isinstance(content, bytes):
                padded = content.ljust(4096, b"\0")  # shorter ones lie elsewhere
                start, count = len(table), -(-len(padded) // 512)
                table.extend([*range(start + 1, start + count), end])
                contents.append(padded.ljust(count * 512, b"\0"))
                entries.append(entry(name, 2, right, free, start, len(padded)))
            else:
                entries.append(entry(name, 1, right, put(content), end, 0))
            right = len(entries)
        return right

    directory = entry("Root Entry", 5, free, put(streams), end, 0) + b"".join(entries)
    count = -(-len(directory) // 512)
    first_directory = len(table)
    table += [*range(len(table) + 1, len(table) + count), end]
    sector = struct.pack("<128I", *[*table, 0xFFFFFFFD, *[free] * (127 - len(table))])
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 1, first_directory, 0, 4096, end, 0, end, 0, len(table))
    header = header.ljust(512, b"\xff")
    return header + b"".join(contents) + directory.ljust(count * 512, b"\0") + sector

"""Uploads and downloads: files move piece by piece, and are never whole in memory."""

import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bindery.errors import InvalidValue
from bindery.faces.http.background import Pool
from bindery.store.files import FileStore, Incoming, StoredFile

FIELD = "file"

# Writing and hashing run in a thread, in pieces large enough to be worth the switch.
_WRITE_BYTES = 512 << 10
# Fields beside the file are a word or two, or the attributes of a file.
_LONGEST_FIELD = 64 << 10
MOST_UPLOADS = 50
"""How many files one request may upload: each is an open file until all are there."""

# In OpenAI's words, for files that are not known by their content.
_PURPOSE = "assistants"
_REMEDY = f"Send one file as the multipart field {FIELD!r}: curl -F {FIELD}=@notes.pdf."


_Kept = TypeVar("_Kept")


def keep_as_named(incoming: Incoming, name: str, fields: Mapping[str, str]) -> StoredFile:
    """Keep an upload under its name, as our own route does."""
    del fields
    return incoming.keep(name)


async def receive_upload(
    request: Request,
    store: FileStore,
    pool: Pool,
    *,
    limit_bytes: int,
    keep: Callable[[Incoming, str, Mapping[str, str]], _Kept],
    fields: Collection[str] = (),
) -> _Kept:
    """Keep the one file of a multipart body. If anything is wrong, nothing is left behind.

    ``keep`` turns the upload into a file of the store, or into something else, given its name and
    the other form ``fields``. Raises FileTooLarge, the errors of ``keep``, and InvalidValue unless
    the body is multipart with one file in the field ``file``.
    """
    parser = UploadParser(request.headers.get("content-type", ""), fields)
    # Opening and unlinking a file takes microseconds. Slower work goes to the pool.
    with store.receive(limit_bytes=limit_bytes) as incoming:
        found = bytearray()
        async for piece in request.stream():
            found += parser.feed(piece)
            if len(found) >= _WRITE_BYTES:
                await pool.run(incoming.write, bytes(found))
                found.clear()
        name = parser.finish()

        def finish() -> _Kept:
            incoming.write(bytes(found))
            return keep(incoming, name, parser.fields)

        return await pool.run(finish)


async def receive_uploads(
    request: Request,
    store: FileStore,
    pool: Pool,
    *,
    limit_bytes: int,
    fields: Collection[str],
    check: Callable[[Mapping[str, str]], object],
) -> tuple[list[StoredFile], Mapping[str, str]]:
    """Keep the files of a multipart body, all in the field ``file``, and its other ``fields``.

    Nothing is kept if ``check`` raises an error about the fields. Of files with the same content
    each but the first has an id of its own. Raises what :func:`receive_upload` does, and
    InvalidValue for more than MOST_UPLOADS.
    """
    parser = UploadParser(request.headers.get("content-type", ""), fields, most=MOST_UPLOADS)
    with ExitStack() as opened:
        incoming: list[Incoming] = []

        def write(pieces: Sequence[tuple[int, bytes]]) -> None:
            for place, piece in pieces:
                while len(incoming) <= place:
                    incoming.append(opened.enter_context(store.receive(limit_bytes=limit_bytes)))
                incoming[place].write(piece)

        async for piece in request.stream():
            await pool.run(write, parser.feed_each(piece))
        parser.finish()

        def keep() -> list[StoredFile]:
            check(parser.fields)
            write([(len(parser.names) - 1, b"")])  # also empty files
            known: set[str] = set()
            kept: list[StoredFile] = []
            for one, name in zip(incoming, parser.names, strict=True):
                kept.append(one.keep(name, purpose=_PURPOSE if one.sha256 in known else ""))
                known.add(one.sha256)
            return kept

        return await pool.run(keep), parser.fields


class UploadParser:
    """Takes a multipart body piece by piece and returns the bytes of its file. Does no I/O.

    ``wanted`` names the other form fields to collect in ``fields``.
    """

    def __init__(self, content_type: str, wanted: Collection[str] = (), *, most: int = 1) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidValue("The body is not multipart/form-data.", remedy=_REMEDY, param=FIELD)
        self.names: list[str] = []
        self._most = most
        self._wanted = {name.encode(): bytearray() for name in wanted}
        self._seen = set[bytes]()
        self._field: bytes | None = None
        self._is_in_file = False
        self._has_ended = False
        self._found: list[tuple[int, bytearray]] = []
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_header,
                    "on_header_value": self._take_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _broken("its boundary is too long") from None

    def feed(self, piece: bytes) -> bytes:
        """The bytes of the file in this piece of the body."""
        return b"".join(found for _, found in self.feed_each(piece))

    def feed_each(self, piece: bytes) -> Sequence[tuple[int, bytes]]:
        """The bytes in this piece of the body, each with the place of its file in ``names``."""
        try:
            self._parser.write(piece)
        except FormParserError:
            raise _broken("a boundary or a header is not where it should be") from None
        found = [(place, bytes(data)) for place, data in self._found]
        self._found.clear()
        return found

    @property
    def fields(self) -> Mapping[str, str]:
        """The wanted fields that were sent."""
        return {name.decode(): _decoded(bytes(self._wanted[name])) for name in self._seen}

    def finish(self) -> str:
        """The name of the file. Call it after the last piece."""
        if not self._has_ended:
            raise _broken("it ends before its last boundary")
        if not self.names:
            raise InvalidValue("The upload contains no file.", remedy=_REMEDY, param=FIELD)
        return self.names[0]

    def _begin_part(self) -> None:
        self._is_in_file = False
        self._field = None
        self._disposition = b""

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        field, name = options.get(b"name", b""), options.get(b"filename")
        if field != FIELD.encode():
            if name is not None:
                raise InvalidValue(
                    f"The file must be in the field {FIELD!r}.", remedy=_REMEDY, param=FIELD
                )
            if field in self._wanted:
                self._field = field
                self._seen.add(field)
            return  # ignore other form fields
        if not name:
            raise InvalidValue(
                f"The field {FIELD!r} has no file name.", remedy=_REMEDY, param=FIELD
            )
        if len(self.names) >= self._most:
            most = "one file" if self._most == 1 else f"{self._most} files"
            raise InvalidValue(
                f"The upload contains more than {most}.",
                remedy=f"Upload {most} per request.",
                param=FIELD,
            )
        self.names.append(_decoded(name))
        self._found.append((len(self.names) - 1, bytearray()))
        self._is_in_file = True

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file:
            place = len(self.names) - 1
            if not self._found:
                self._found.append((place, bytearray()))
            self._found[-1][1].extend(data[start:end])
        elif self._field is not None:
            value = self._wanted[self._field]
            value += data[start:end]
            if len(value) > _LONGEST_FIELD:
                name = self._field.decode()
                raise InvalidValue(
                    f"The field {name!r} is longer than {_LONGEST_FIELD:,} bytes.",
                    remedy="Shorten it.",
                    param=name,
                )

    def _end(self) -> None:
        self._has_ended = True


def _decoded(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")  # the older convention, which never fails


def _broken(how: str) -> InvalidValue:
    return InvalidValue(f"The multipart body is broken: {how}.", remedy=_REMEDY, param=FIELD)


_PIECE_BYTES = 256 << 10
_PLAIN = "application/octet-stream"


class ResultFormat(StrEnum):
    """The file formats of results and exports."""

    PARQUET = "parquet"
    ARROW = "arrow"
    JSONL = "jsonl"
    NPZ = "npz"


MEDIA_TYPES: Mapping[ResultFormat, str] = {
    ResultFormat.PARQUET: "application/vnd.apache.parquet",
    ResultFormat.ARROW: "application/vnd.apache.arrow.file",
    ResultFormat.JSONL: "application/jsonl",
    ResultFormat.NPZ: "application/zip",
}


def written_file(write: Callable[[BinaryIO], object], folder: Path) -> tuple[BinaryIO, int]:
    """What ``write`` writes, in an unnamed temporary file that never outlives the process."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by the response
    try:
        write(file)
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
    except BaseException:  # no response will close the file
        file.close()
        raise
    return file, size_bytes


def attachment(
    file: BinaryIO, size_bytes: int, name: str, pool: Pool, *, media_type: str = _PLAIN
) -> StreamingResponse:
    """A download of ``file`` from its current position; closes it afterwards.

    Browsers save it and never run it: the guard adds ``nosniff``, this adds a sandbox and the
    disposition "attachment".
    """
    return StreamingResponse(
        _pieces(file, pool),
        media_type=media_type,
        headers={"content-length": str(size_bytes), **marks(name)},
    )


def marks(name: str) -> Mapping[str, str]:
    """The headers of a download under any name (RFC 6266)."""
    plain = "".join(char if char.isascii() and char.isprintable() else "_" for char in name)
    plain = plain.translate(str.maketrans('"\\/', "___"))
    full = quote(name, safe="", errors="replace")
    return {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-store",
    }


async def _pieces(file: BinaryIO, pool: Pool) -> AsyncGenerator[bytes]:
    # If the client leaves, this ends at a yield and closes the file.
    with file:
        while piece := await pool.run(file.read, _PIECE_BYTES):
            yield piece

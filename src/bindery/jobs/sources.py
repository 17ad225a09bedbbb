"""Sources of files for jobs: the store, this machine, and standard input."""

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

from bindery import documents
from bindery.errors import FileTooLarge, UnknownFile, did_you_mean
from bindery.jobs.ignoring import IgnoreRules
from bindery.library import Library
from bindery.types import Document

STANDARD_INPUT = "-"
"""The id of the file that is standard input."""

# A name for text; the kinds of other documents, such as PDF, are detected by their content.
_NAME_OF_STANDARD_INPUT = "standard input.txt"
_DIGITS_OF_A_DIGEST = 8
_COPY_BYTES = 1 << 20


class Content(Protocol):
    """The content of a file at one moment.

    ``name`` is given to the readers of documents. Parsing may take ``timeout_s``.
    """

    name: str
    size_bytes: int
    timeout_s: float

    def sha256(self) -> str:
        """The digest of the content, in hex."""
        ...

    def parse(self) -> Document:
        """The document. Raises what :func:`bindery.documents.parse` does."""
        ...

    def lines(self) -> Iterator[bytes]:
        """The lines of a text file, each with its line end."""
        ...


class FileSource(Protocol):
    """Files by their ids. Thread-safe.

    ``is_store`` means that the files are in the store, and can be deleted at any time.
    """

    is_store: bool

    def look(self, file_id: str) -> tuple[str, int]:
        """The name of a file and its size in bytes. Raises UnknownFile."""
        ...

    def open(self, file_id: str, *, lines: bool = False) -> Content:
        """The content of a file, as a document or as ``lines``. Raises UnknownFile."""
        ...


class StoredFiles:
    """The files in a library's store."""

    is_store = True

    def __init__(self, library: Library, *, timeout_s: float) -> None:
        self._library = library
        self._timeout_s = timeout_s

    def look(self, file_id: str) -> tuple[str, int]:
        """See FileSource."""
        stored = self._library.files.get(file_id)
        return stored.name, stored.size_bytes

    def open(self, file_id: str, *, lines: bool = False) -> Content:
        """See FileSource."""
        return _StoredContent(self._library, file_id, self._timeout_s)


class LocalFiles:
    """Files on this machine by their ids, and standard input, which can be read once.

    Documents over ``limit_bytes`` are refused, except those that are ``unlimited``.
    """

    is_store = False

    def __init__(
        self,
        files: Mapping[str, Path | IO[bytes]],
        *,
        timeout_s: float,
        limit_bytes: int,
        unlimited: Collection[str] = (),
    ) -> None:
        self._files = files
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes
        self._unlimited = unlimited

    def look(self, file_id: str) -> tuple[str, int]:
        """See FileSource."""
        file = self._find(file_id)
        try:
            return file_id, file.stat().st_size if isinstance(file, Path) else 0
        except OSError:  # reading it will raise the reason
            return file_id, 0

    def open(self, file_id: str, *, lines: bool = False) -> Content:
        """See FileSource."""
        file = self._find(file_id)
        with _opened(file_id, file) as stream:  # an error is raised now
            if lines:
                size_bytes = file.stat().st_size if isinstance(file, Path) else 0
                return _LocalContent(file_id, file, size_bytes, self._timeout_s)
            is_unlimited = file_id in self._unlimited
            data = stream.read(-1 if is_unlimited else self._limit_bytes + 1)
        if len(data) > self._limit_bytes and not is_unlimited:
            raise FileTooLarge(
                f"{file_id!r} is larger than {self._limit_bytes / 1024 / 1024:g} MB.",
                remedy="Name the file itself, split it, or raise BINDERY_UPLOAD_LIMIT_MB.",
            )
        name = Path(file_id).name if isinstance(file, Path) else _NAME_OF_STANDARD_INPUT
        return _LocalContent(name, io.BytesIO(data), len(data), self._timeout_s)

    def _find(self, file_id: str) -> Path | IO[bytes]:
        if (file := self._files.get(file_id)) is None:
            raise gone(file_id)
        return file


class _StoredContent:
    def __init__(self, library: Library, file_id: str, timeout_s: float) -> None:
        stored = library.files.get(file_id)
        self.name, self.size_bytes, self.timeout_s = stored.name, stored.size_bytes, timeout_s
        self._library = library
        self._stored = stored

    def sha256(self) -> str:
        return self._stored.sha256

    def parse(self) -> Document:
        return self._library.read_file(self._stored.id, timeout_s=self.timeout_s)

    def lines(self) -> Iterator[bytes]:
        with self._library.files.as_path(self._stored.id) as path, path.open("rb") as file:
            yield from file


class _LocalContent:
    """A document in memory, or a text file of any size that is read line by line.

    The digest is only computed on request, which must come before reading.
    """

    def __init__(
        self, name: str, file: Path | IO[bytes], size_bytes: int, timeout_s: float
    ) -> None:
        self.name, self.size_bytes, self.timeout_s = name, size_bytes, timeout_s
        self._file = file

    def sha256(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        if not isinstance(self._file, Path | io.BytesIO):  # standard input can be read only once
            copy = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this content
            shutil.copyfileobj(self._file, copy)
            copy.seek(0)
            self._file = copy
        with _opened(self.name, self._file) as stream:
            digest = hashlib.sha256()
            for piece in iter(lambda: stream.read(_COPY_BYTES), b""):
                digest.update(piece)
            if not isinstance(self._file, Path):
                stream.seek(0)
        return digest.hexdigest()

    def parse(self) -> Document:
        with _opened(self.name, self._file) as stream:
            return documents.parse(stream.read(), self.name, timeout_s=self.timeout_s)

    def lines(self) -> Iterator[bytes]:
        expected: str | None = vars(self).get("_digest")
        digest = hashlib.sha256()
        with _opened(self.name, self._file) as stream:
            for line in stream:
                if expected is not None:
                    digest.update(line)
                yield line
        if expected not in (None, digest.hexdigest()):
            raise UnknownFile(
                f"{self.name!r} changed while it was read.", remedy="Run the same command again."
            )


@contextmanager
def _opened(file_id: str, file: Path | IO[bytes]) -> Generator[IO[bytes]]:
    if not isinstance(file, Path):
        yield file
        return
    try:
        with file.open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise gone(file_id, file) from error
    except OSError as error:
        raise UnknownFile(
            f"{file_id!r} cannot be read: {error.strerror or error}.",
            remedy="Check the path and its permissions.",
        ) from error


def walk(
    folder: Path,
    *,
    without: Path | None,
    takes_hidden: bool,
    skip: Callable[[str, str], None],
    ignores: IgnoreRules | None = None,
    fail: Callable[[Path, str], None] | None = None,
) -> dict[str, Path]:
    """The files in a folder and its subfolders, sorted by their paths in the folder.

    ``without`` is a folder to leave out. ``skip`` is called with each path that is left out and
    the reason: hidden files and folders unless ``takes_hidden``, what ``ignores`` leaves out, links
    to folders, links that lead out of the folder, and everything that is not a file. ``fail`` is
    called with each folder that cannot be read and the reason; by default, ``skip`` is. A name that
    is not UTF-8 gets a digest of its bytes, so that it stays unique.
    """
    root, without = folder.resolve(), without and without.resolve()
    found: dict[str, Path] = {}

    def tell(path: Path, why: str) -> None:
        skip(shown_path(path.relative_to(root)) if path.is_relative_to(root) else str(path), why)

    def takes(path: Path) -> bool:
        why = _why_not(path, root, takes_hidden=takes_hidden)
        if ignores is not None and why in (None, "hidden"):
            inner, is_folder = path.relative_to(root).as_posix(), os.path.isdir(path)  # noqa: PTH112
            why = "ignored" if ignores.leaves_out(inner, is_folder=is_folder) else why
        if why is not None:
            tell(path, why)
        return why is None and path != without

    def tell_error(error: OSError) -> None:
        (fail or tell)(Path(error.filename or root), error.strerror or str(error))

    for where, folders, names in os.walk(root, onerror=tell_error):
        here = Path(where)
        folders[:] = [name for name in sorted(folders) if takes(here / name)]
        paths = [here / name for name in names]
        found.update((shown_path(path.relative_to(root)), path) for path in paths if takes(path))
    return dict(sorted(found.items()))


def _why_not(path: Path, root: Path, *, takes_hidden: bool) -> str | None:
    # os.path, because the methods of Path raise if a folder is not accessible.
    if path.name.startswith(".") and not takes_hidden:
        return "hidden"
    if path.is_symlink():
        if os.path.isdir(path):  # noqa: PTH112
            return "a link to a folder"
        if not Path(os.path.realpath(path)).is_relative_to(root):
            return "a link that leads out of the folder"
    if not os.path.isdir(path) and not os.path.isfile(path):  # noqa: PTH112, PTH113
        return "not a regular file"
    return None


def shown_path(path: Path | str) -> str:
    """A path as text. If its bytes are not UTF-8, a digest makes it unique."""
    plain = os.fsencode(path.as_posix() if isinstance(path, Path) else path)
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        digest = hashlib.sha256(plain).hexdigest()[:_DIGITS_OF_A_DIGEST]
        return f"{plain.decode('utf-8', 'replace')}~{digest}"


def gone(file_id: str, beside: Path | None = None, *, param: str | None = None) -> UnknownFile:
    """The error for a file that does not exist, or no longer exists.

    It names the nearest file in the folder of the path ``beside``, which may be misspelt. Not for
    paths from the network.
    """
    otherwise = "Check the path, or leave the file out and run the job again."
    try:
        known = [one.name for one in beside.parent.iterdir()] if beside else []
    except (OSError, ValueError):  # also a name with a null byte
        known = []
    remedy = did_you_mean(beside.name, known, otherwise) if beside else otherwise
    return UnknownFile(f"There is no file {file_id[:200]!r}.", remedy=remedy, param=param)

"""Where the files of a job are: in the store, or in a folder where they stay."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bindery import documents
from bindery.errors import FileTooLarge, UnknownFile
from bindery.library import Library
from bindery.store import derived, files
from bindery.store.database import Transaction
from bindery.types import Document

_DIGITS_OF_A_DIGEST = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it is before it is read."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Content:
    """A file's content at a moment: its SHA-256, and the way to its document.

    ``name`` is what readers see of its name; ``timeout_s`` is what parsing it may take.
    """

    name: str
    sha256: str
    size_bytes: int
    timeout_s: float
    parse: Callable[[], Document]


class Source(Protocol):
    """Files by their ids. Safe to use from several threads."""

    def look(self, file_id: str) -> Found:
        """What the file is called and how large it is. Raises UnknownFile."""
        ...

    def open(self, file_id: str) -> Content:
        """The content. Raises UnknownFile, and what reading raises."""
        ...

    def admit(self, connection: Transaction, file_id: str, content: Content) -> None:
        """Let things be kept that were made of the content; part of the transaction that does.

        Raises UnknownFile where the file was deleted meanwhile.
        """
        ...


class StoredFiles:
    """The files of a library's store."""

    def __init__(self, library: Library, *, timeout_s: float) -> None:
        self._library = library
        self._timeout_s = timeout_s

    def look(self, file_id: str) -> Found:
        """See Source."""
        stored = self._library.files.get(file_id)
        return Found(stored.name, stored.size_bytes)

    def open(self, file_id: str) -> Content:
        """See Source."""
        stored = self._library.files.get(file_id)

        def parse() -> Document:
            return self._library.read_file(file_id, timeout_s=self._timeout_s)

        return Content(stored.name, stored.sha256, stored.size_bytes, self._timeout_s, parse)

    def admit(self, connection: Transaction, file_id: str, content: Content) -> None:
        """See Source."""
        if not files.is_kept(connection, file_id):
            raise _gone(file_id)


class FolderFiles:
    """The files under a folder, as :func:`walk` found them."""

    def __init__(self, paths: Mapping[str, Path], *, timeout_s: float, limit_bytes: int) -> None:
        self._paths = paths
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes

    def look(self, file_id: str) -> Found:
        """See Source."""
        try:
            return Found(file_id, self._path(file_id).stat().st_size)
        except OSError:  # reading it will say why
            return Found(file_id, 0)

    def open(self, file_id: str) -> Content:
        """See Source."""
        data = self._read(file_id)
        name = Path(file_id).name

        def parse() -> Document:
            return documents.parse(data, name, timeout_s=self._timeout_s)

        sha256 = hashlib.sha256(data).hexdigest()
        return Content(name, sha256, len(data), self._timeout_s, parse)

    def admit(self, connection: Transaction, file_id: str, content: Content) -> None:
        """See Source: what was read is kept, whatever became of the file since."""
        derived.keep_content(connection, content.sha256, content.size_bytes)

    def _read(self, file_id: str) -> bytes:
        try:
            with self._path(file_id).open("rb") as file:
                data = file.read(self._limit_bytes + 1)
        except FileNotFoundError as error:
            raise _gone(file_id) from error
        except OSError as error:
            raise UnknownFile(
                f"{file_id!r} cannot be read: {error.strerror or error}.",
                remedy="Check its permissions.",
            ) from error
        if len(data) > self._limit_bytes:
            raise FileTooLarge(
                f"{file_id!r} is larger than {self._limit_bytes / 1024 / 1024:g} MB.",
                remedy="Split it, or raise BINDERY_UPLOAD_LIMIT_MB.",
            )
        return data

    def _path(self, file_id: str) -> Path:
        path = self._paths.get(file_id)
        if path is None:
            raise _gone(file_id)
        return path


def walk(
    folder: Path, *, without: Path, takes_hidden: bool, skip: Callable[[str, str], None]
) -> dict[str, Path]:
    """The files under a folder by their paths in it, sorted, through all its folders.

    ``without`` is a folder to leave out. ``skip`` is told what is not taken, and why: hidden files
    and folders unless ``takes_hidden``, links to folders, links that lead out of the folder, and
    what is no file. Where bytes of a name are not UTF-8, a digest of it tells it from others.
    """
    root, without = folder.resolve(), without.resolve()
    found: dict[str, Path] = {}

    def tell(path: Path, why: str) -> None:
        skip(_shown(path.relative_to(root)) if path.is_relative_to(root) else str(path), why)

    def takes(path: Path) -> bool:
        why = _why_not(path, root, takes_hidden=takes_hidden)
        if why is not None:
            tell(path, why)
        return why is None and path != without

    def tell_error(error: OSError) -> None:
        tell(Path(error.filename or root), error.strerror or str(error))

    for where, folders, names in os.walk(root, onerror=tell_error):
        here = Path(where)
        folders[:] = [name for name in sorted(folders) if takes(here / name)]
        paths = [here / name for name in names]
        found.update((_shown(path.relative_to(root)), path) for path in paths if takes(path))
    return dict(sorted(found.items()))


def _why_not(path: Path, root: Path, *, takes_hidden: bool) -> str | None:
    # os.path, because Path's own questions raise where a folder may not be searched.
    if path.name.startswith(".") and not takes_hidden:
        return "hidden"
    if path.is_symlink():
        if os.path.isdir(path):  # noqa: PTH112
            return "a link to a folder"
        if not Path(os.path.realpath(path)).is_relative_to(root):
            return "a link that leads out of the folder"
    if not os.path.isdir(path) and not os.path.isfile(path):  # noqa: PTH112, PTH113
        return "no file that can be read"
    return None


def _shown(path: Path) -> str:
    plain = os.fsencode(path.as_posix())
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        digest = hashlib.sha256(plain).hexdigest()[:_DIGITS_OF_A_DIGEST]
        return f"{plain.decode('utf-8', 'replace')}~{digest}"


def _gone(file_id: str) -> UnknownFile:
    return UnknownFile(
        f"The file {file_id[:200]!r} is not there any more.",
        remedy="Leave it out, or put it back and run the job again.",
    )

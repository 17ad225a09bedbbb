"""Sources of model files. A source only reads; ``preload`` writes."""

import os
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from bindery.errors import SourceError
from bindery.models.card import CatalogEntry

PIECE_BYTES = 1 << 18


class SourceUnreached(SourceError):
    """A source that did not answer at all, and would not for another model."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file being downloaded: its path in the repository, size in bytes if known, and content."""

    path: str
    size: int | None
    pieces: Iterator[bytes]


class Source(Protocol):
    """A source of model files."""

    @property
    def name(self) -> str:
        """Its name for users."""
        ...

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        """Yield the files of ``entry``; each is read before the next is requested.

        Optional files that it does not have are left out. The caller verifies the content.
        ``scratch`` is an empty folder for temporary files, which the caller removes. Closing the
        generator releases its resources.

        Raises:
            SourceError: It cannot be reached, refuses, or lacks a file: the message says which.
            ModelGated: The publisher's terms must be accepted first.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of the user.

    The files are directly in it, in a folder named by the model's id, or in the layout of a home's
    models (``id/revision``) or the hub's cache (``models--owner--name/snapshots/revision``).
    """

    path: Path

    @property
    def name(self) -> str:
        """Its name for users."""
        return f"folder {self.path}"

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        """See :meth:`Source.files`."""
        del scratch
        if not self.path.is_dir():
            raise SourceError(
                f"The folder {self.path} does not exist.", remedy="Check the folder's name."
            )
        release = entry.release
        folders = (
            self.path / entry.id / release.revision,
            self.path / entry.id,
            self.path
            / f"models--{release.repository.replace('/', '--')}"
            / "snapshots"
            / release.revision,
        )
        folder = next((one for one in folders if one.is_dir()), self.path)
        yield from read_folder(folder, entry)


def read_folder(folder: Path, entry: CatalogEntry) -> Generator[SourceFile, None, None]:
    """The files of ``entry`` from a folder with the layout of its repository."""
    for path in entry.release.files:
        file = folder / path
        try:
            content = file.open("rb")
        except FileNotFoundError as error:
            if path in entry.release.optional:
                continue
            raise SourceError(f"{folder} has no {path}.") from error
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror}.") from error
        with content:
            size = os.fstat(content.fileno()).st_size
            yield SourceFile(path, size, read_pieces(content, str(file)))


def read_pieces(content: IO[bytes], name: str) -> Iterator[bytes]:
    """The rest of ``content`` in pieces; ``name`` is its name in errors."""
    try:
        while piece := content.read(PIECE_BYTES):
            yield piece
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{name} cannot be read: {error}.") from error

"""Where a model's files can come from. A source reads; only ``preload`` writes."""

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
    """A source that did not answer at all: asked for another model it would not either."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file on its way: its path in the repository, its size in bytes if known, its content."""

    path: str
    size: int | None
    pieces: Iterator[bytes]


class Source(Protocol):
    """Somewhere to get the files of a model from."""

    @property
    def name(self) -> str:
        """What to call it before a user."""
        ...

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        """The files of ``entry``, one after the other; a file is read before the next is asked for.

        Optional files that it does not have are left out. What they hold is for the caller to
        verify. ``scratch`` is an empty folder to work in, which the caller removes. Closing the
        generator lets go of whatever it holds.

        Raises:
            SourceError: It cannot be reached, refuses, or lacks a file: the message says which.
            ModelGated: The publisher wants terms accepted first.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of the user's own.

    The files lie directly in it, or in a folder named by the model's id, or as the hub's own
    client keeps them (``models--owner--name/snapshots/revision``).
    """

    path: Path

    @property
    def name(self) -> str:
        """What to call it before a user."""
        return f"folder {self.path}"

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        """See :meth:`Source.files`."""
        del scratch
        if not self.path.is_dir():
            raise SourceError(f"There is no folder {self.path}.", remedy="Check the folder's name.")
        release = entry.release
        places = (
            self.path / entry.id,
            self.path
            / f"models--{release.repository.replace('/', '--')}"
            / "snapshots"
            / release.revision,
        )
        folder = next((place for place in places if place.is_dir()), self.path)
        yield from read_folder(folder, entry)


def read_folder(folder: Path, entry: CatalogEntry) -> Generator[SourceFile, None, None]:
    """The files of ``entry`` from a folder that has the layout of its repository."""
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
    """What ``content`` still holds, in pieces; ``name`` is what an error calls it."""
    try:
        while piece := content.read(PIECE_BYTES):
            yield piece
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{name} cannot be read: {error}.") from error

"""The files that a command was given: documents, folders and standard input, by their ids."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bindery.errors import InputError, InvalidValue
from bindery.jobs.sources import STANDARD_INPUT, LocalFiles, shown_path, walk
from bindery.settings import Settings
from bindery.types import Document


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was given, as it was written, and the files that it stands for.

    ``files`` are in order, by what users see of their names: a path as it was given, or a path
    within the folder if a folder is the only input. ``skipped`` files have their reasons.
    """

    given: tuple[str, ...]
    files: Mapping[str, Path | IO[bytes]]
    skipped: Mapping[str, str]

    def source(self, settings: Settings) -> LocalFiles:
        """The files for a job, within the limits of the settings."""
        return LocalFiles(
            self.files,
            timeout_s=settings.parse_timeout_s,
            limit_bytes=settings.upload_limit_bytes,
        )


def find_inputs(
    given: Sequence[str], *, without: Path | None = None, takes_hidden: bool = False
) -> Inputs:
    """Find the files of all folders; see :func:`bindery.jobs.sources.walk`.

    Raises InvalidValue if a file is given twice, and InputError if there is none.
    """
    files: dict[str, Path | IO[bytes]] = {}
    skipped: dict[str, str] = {}
    for name in given:
        found: Mapping[str, Path | IO[bytes]]
        if name == STANDARD_INPUT:
            found = {name: _standard_input()}
        elif not Path(name).is_dir():
            found = {shown_path(name): Path(name)}
        else:
            prefix = "" if len(given) == 1 else f"{shown_path(name).rstrip('/')}/"
            skip = _Prefixed(skipped, prefix)
            inner = walk(Path(name), without=without, takes_hidden=takes_hidden, skip=skip)
            found = {prefix + path: file for path, file in inner.items()}
        if twice := next((one for one in found if one in files), None):
            raise InvalidValue(
                f"The file {twice!r} is given twice.", remedy="Give it once.", param="files"
            )
        files.update(found)
    if not files:
        raise InputError(
            f"There is no file to embed in {', '.join(map(shown_path, given))}.",
            remedy="Hidden files are taken with --hidden." if skipped else "",
        )
    normalised = tuple(shown_path(os.path.normpath(name)) for name in given)
    return Inputs(normalised, files, skipped)


def read_document(name: str, settings: Settings) -> Document:
    """Parse a file or standard input in a process of its own."""
    inputs = find_inputs([name])
    [file_id] = inputs.files
    return inputs.source(settings).open(file_id).parse()


def check_earlier(where: Path, earlier: Sequence[str], inputs: Sequence[str]) -> None:
    """Raise InvalidValue if other inputs than these were embedded into the same place."""
    lost = [name for name in earlier if name not in inputs]
    if lost:
        shown = ", ".join(repr(name) for name in lost[:3]) + (" ..." if len(lost) > 3 else "")
        raise InvalidValue(
            f"{shown_path(str(where))!r} holds the embeddings of {shown}, which would be lost.",
            remedy="Choose another --out, give all inputs at once, or use --replace.",
            param="out",
        )


@dataclass(frozen=True, slots=True)
class _Prefixed:
    """Notes why files are skipped."""

    skipped: dict[str, str]
    prefix: str

    def __call__(self, path: str, why: str) -> None:
        self.skipped[self.prefix + path] = why


def _standard_input() -> IO[bytes]:
    # A copy of its own: a thread may still wait for it when the interpreter ends, and must not hold
    # the lock of sys.stdin then.
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except OSError:  # it is not a file of the system, as in tests
        return sys.stdin.buffer

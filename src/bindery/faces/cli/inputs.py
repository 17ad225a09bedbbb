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
    """The inputs of a command as they were ``given``, and their files.

    ``files`` are in order, by the names that users see: a path as it was given, or a path within
    the folder if a folder is the only input. ``named`` are those that were given themselves, and
    ``skipped`` has the reason for each file that was left out.
    """

    given: tuple[str, ...]
    files: Mapping[str, Path | IO[bytes]]
    named: frozenset[str]
    skipped: Mapping[str, str]

    def source(self, settings: Settings) -> LocalFiles:
        """The files for a job. The limit of uploads also holds for files found in folders."""
        return LocalFiles(
            self.files,
            timeout_s=settings.parse_timeout_s,
            limit_bytes=settings.upload_limit_bytes,
            unlimited=self.named,
        )


def find_inputs(
    given: Sequence[str], *, without: Path | None = None, takes_hidden: bool = False
) -> Inputs:
    """Find the files of all folders; see :func:`bindery.jobs.sources.walk`.

    Raises InvalidValue if a file is given twice, and InputError if there is none.
    """
    files: dict[str, Path | IO[bytes]] = {}
    named: set[str] = set()
    skipped: dict[str, str] = {}
    for name in given:
        found: Mapping[str, Path | IO[bytes]]
        if name == STANDARD_INPUT:
            found = {name: _standard_input()}
            named.update(found)
        elif not Path(name).is_dir():
            found = {shown_path(name): Path(name)}
            named.update(found)
        else:
            prefix = "" if len(given) == 1 else f"{shown_path(name).rstrip('/')}/"

            def skip(path: str, why: str, prefix: str = prefix) -> None:
                skipped[prefix + path] = why

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
            remedy="Use --hidden to include hidden files." if skipped else "",
        )
    normalised = tuple(shown_path(os.path.normpath(name)) for name in given)
    return Inputs(normalised, files, frozenset(named), skipped)


def read_document(name: str, settings: Settings) -> Document:
    """Parse a file or standard input in a separate process."""
    inputs = find_inputs([name])
    [file_id] = inputs.files
    return inputs.source(settings).open(file_id).parse()


def check_earlier(where: Path, earlier: Sequence[str], inputs: Sequence[str]) -> None:
    """Raise InvalidValue if the results of ``earlier`` inputs at ``where`` would be lost."""
    lost = [name for name in earlier if name not in inputs]
    if lost:
        shown = ", ".join(repr(name) for name in lost[:3]) + (" ..." if len(lost) > 3 else "")
        raise InvalidValue(
            f"{shown_path(str(where))!r} holds the embeddings of {shown}, which would be lost.",
            remedy="Choose another --out, give all inputs at once, or use --replace.",
            param="out",
        )


def _standard_input() -> IO[bytes]:
    # A copy, because a thread may still read it when the interpreter exits, and must not hold the
    # lock of sys.stdin then.
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except OSError:  # it has no file descriptor, as in tests
        return sys.stdin.buffer

"""``bindery add``: documents and folders become a collection that is searched."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bindery.errors import InputError, InvalidValue, MostFilesGone, UnknownFile
from bindery.faces.cli.asking import Asked, Facts
from bindery.faces.cli.collections import plain
from bindery.faces.cli.printing import (
    count,
    messages,
    output,
    print_error,
    print_json_line,
    print_warning,
    printable,
)
from bindery.faces.cli.progress import follow_lines
from bindery.jobs import Failure, JobRequest
from bindery.jobs.sources import gone
from bindery.options import ChunkOptions, VectorOptions, names_of

if TYPE_CHECKING:
    # It imports SQLAlchemy and NumPy, which take half a second, and a server may do the work.
    from bindery.search.local_work import LocalWork

_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class AddArguments:
    """What ``bindery add`` was asked for. The options are those of a new collection."""

    paths: Sequence[str]
    collection: str
    model: str
    chunks: ChunkOptions
    vectors: VectorOptions
    attributes: Sequence[str] = ()
    takes_hidden: bool = False
    syncs: bool = False
    confirms: bool = False
    watches: bool = False
    only: frozenset[str] | None = None
    json: bool = False

    def body(self) -> Facts:
        """The same for a server."""
        made_with = {
            name: value
            for given, plain_ in [(self.chunks, ChunkOptions()), (self.vectors, VectorOptions())]
            for name in names_of(type(given))
            if (value := getattr(given, name)) != getattr(plain_, name)
        }
        return {
            "paths": [str(Path(path).expanduser().absolute()) for path in self.paths],
            "model": self.model,
            "attributes": attributes_of(self.attributes),
            "takes_hidden": self.takes_hidden,
            "syncs": self.syncs,
            "confirms": self.confirms,
            "only": None if self.only is None else sorted(self.only),
            **made_with,
        }


def add(asked: Asked, wanted: AddArguments) -> bool:
    """Add files and folders to a collection; whether all could be read and added."""
    if wanted.watches:
        _watch(asked, wanted)
        return True
    try:
        return _add(asked, wanted)
    except MostFilesGone as error:
        if wanted.json or not sys.stdin.isatty():
            raise
        print_error(error)
        if not typer.confirm("Remove them from the collection?", err=True):
            raise typer.Abort from None
        return _add(asked, replace(wanted, confirms=True))


def _watch(asked: Asked, wanted: AddArguments) -> None:
    """Add files and folders, and then what changes in them, until Ctrl-C."""
    # As heavy as the collections themselves.
    from bindery.search.watching import FolderWatch

    watched = FolderWatch(wanted.paths, takes_hidden=wanted.takes_hidden)
    with asked.opened():
        _add_what_is_there(asked, wanted)
        why = watched.polls_because
        how = f"by looking every {watched.poll_s:g} s, because {why}" if why else "for changes"
        messages().print(f"Watching {how}. Ctrl-C ends.", soft_wrap=True)
        for changed in watched.changes():
            _add_what_is_there(asked, replace(wanted, only=changed))


def _add_what_is_there(asked: Asked, wanted: AddArguments) -> None:
    """Add, and go on watching if a folder is missing, empty or has lost most of its files."""
    try:
        _add(asked, wanted)
    except (InputError, UnknownFile) as error:
        print_error(error)


def _add(asked: Asked, wanted: AddArguments) -> bool:
    started = time.monotonic()
    end = follow_lines(_lines(asked, wanted), json=wanted.json)
    end["seconds"] = round(time.monotonic() - started, 3)
    if wanted.json:
        print_json_line({"event": "end", **end})
    else:
        _print_added(end)
    return bool(end["is_complete"])


def _lines(asked: Asked, wanted: AddArguments) -> Iterator[Facts]:
    """The events of the addition, by the server of the home or by this process."""

    def alone() -> "LocalWork":
        # As heavy as the collections themselves.
        from bindery.search import local_work
        from bindery.search.adding import Addition, AddOptions

        options = AddOptions(
            takes_hidden=wanted.takes_hidden,
            syncs=wanted.syncs,
            confirms=wanted.confirms,
            only=wanted.only,
            timeout_s=asked.settings.parse_timeout_s,
            limit_bytes=asked.settings.upload_limit_bytes,
        )
        request = JobRequest(("-",), wanted.model, wanted.chunks, wanted.vectors)
        attributes = attributes_of(wanted.attributes)
        addition = Addition(wanted.collection, wanted.paths, request, options, attributes)
        return partial(local_work.add, addition)

    asked = asked.for_model(wanted.model)
    return asked.work(wanted.collection, "add", body=wanted.body(), alone=alone)


def _print_added(end: Facts) -> None:
    for path in end["missing"]:
        print_error(gone(path, Path(path)))
    for path, why in end["unreadable"].items():
        print_error(Failure("unknown_file", f"The folder cannot be read: {why}."), about=path)
    if end["gone"]:
        print_warning(
            f"{count(len(end['gone']), 'file')} of the collection no longer on disk: "
            f"{_shown(end['gone'])}. Use --sync to remove them."
        )
    renamed = [f"{former} -> {name}" for name, former in end["renamed"].items()]
    for word, names in {**end, "renamed": renamed}.items():
        if names and word in ("added", "changed", "renamed", "removed"):
            output().print(f"{word}: {len(names):,} ({_shown(names)})", soft_wrap=True)
    for warning in end["warnings"]:
        print_warning(warning)
    is_same = not any(end[word] for word in ("added", "changed", "renamed", "removed", "failed"))
    counted = [f"{len(end[word]):,} {word}" for word in ("unchanged", "failed") if end[word]]
    told = f" ({', '.join(counted)})" if counted and not is_same else ""
    news = "nothing changed: " if is_same else ""
    output().print(
        f"{printable(end['name'])}: {news}{count(end['files'], 'file')}{told}, "
        f"{count(end['chunks'], 'chunk')}, {end['seconds']:.1f} s",
        soft_wrap=True,
    )


def _shown(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(plain(name) for name in names[:_SHOWN_NAMES]) + more


def attributes_of(given: Sequence[str]) -> Mapping[str, object]:
    """The attributes of texts such as ``year=2024``. Raises InvalidValue."""
    return dict(_attribute(text) for text in given)


def _attribute(text: str) -> tuple[str, object]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise InvalidValue(
            f"An attribute must be written as NAME=VALUE, got {text[:80]!r}.", param="attribute"
        )
    return name.strip(), _value(value.strip())


def _value(text: str) -> object:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:  # text
            continue
        # "007" is a code, and "nan" and "inf" are words.
        return number if str(number) == text and isfinite(number) else text
    return text

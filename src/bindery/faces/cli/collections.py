"""``bindery add``, ``bindery search`` and ``bindery collections``."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bindery.errors import InputError, InvalidValue, UnknownFile
from bindery.faces.cli.printing import (
    count,
    messages,
    output,
    print_error,
    print_json,
    print_warning,
    printable,
)
from bindery.faces.cli.progress import follow_on, print_json_line, run_followed
from bindery.faces.python import open_library
from bindery.jobs import JobRequest, Jobs
from bindery.options import ChunkOptions, SearchOptions, VectorOptions
from bindery.search.adding import AddOptions, AddReport, add_local, open_for_adding
from bindery.search.answers import Hit, SearchAnswer
from bindery.search.collection import Collection, Collections
from bindery.settings import Settings
from bindery.types import Span

_SHOWN_CHARACTERS = 400
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
    options: AddOptions = field(default_factory=AddOptions)
    json: bool = False


def add(settings: Settings, asked: AddArguments) -> bool:
    """Add files and folders to a collection; whether every file could be added."""
    started = time.monotonic()
    attributes = dict(_attribute(text) for text in asked.attributes)
    options = replace(
        asked.options,
        timeout_s=settings.parse_timeout_s,
        limit_bytes=settings.upload_limit_bytes,
    )
    with closing(open_library(settings)) as library:
        collection = open_for_adding(
            library,
            Collections(library),
            asked.collection,
            JobRequest(("-",), asked.model, asked.chunks, asked.vectors),
            asked.paths,
            options,
        )

        def run(jobs: Jobs, job_id: str) -> None:
            run_followed(jobs, job_id, follow_on(messages(), json=asked.json))

        try:
            report = add_local(
                library, collection, asked.paths, options, attributes=attributes, run=run
            )
        except KeyboardInterrupt:
            messages().print("Stopped. Run the same command again to resume.", soft_wrap=True)
            raise
        facts = collection.facts()
    seconds = round(time.monotonic() - started, 3)
    if asked.json:
        failed = [
            {"file": one.name, "code": one.error_code, "message": one.error_message}
            for one in report.failed
        ]
        told = {
            "failed": failed,
            "missing": report.missing,
            "gone": report.gone,
            "skipped": dict(report.skipped),
        }
        print_json_line({"event": "end", **facts, **told, "seconds": seconds})
    else:
        _print_added(collection, report, facts, seconds)
    return not report.failed and not report.missing


def _print_added(
    collection: Collection, report: AddReport, facts: Mapping[str, Any], seconds: float
) -> None:
    for path in report.missing:
        print_error(UnknownFile("There is no such file or folder."), about=path)
    if report.gone:
        names = ", ".join(_plain(name) for name in report.gone[:_SHOWN_NAMES])
        more = " ..." if len(report.gone) > _SHOWN_NAMES else ""
        print_warning(
            f"{count(len(report.gone), 'file')} of the collection no longer on disk: "
            f"{names}{more}. Use --sync to remove them."
        )
    output().print(
        f"{printable(collection.name)}: {count(facts['files'], 'file')}, "
        f"{count(facts['chunks'], 'chunk')}, {seconds:.1f} s",
        soft_wrap=True,
    )


def search(
    settings: Settings,
    queries: Sequence[str],
    collection: str,
    options: SearchOptions,
    *,
    path: str | None = None,
    json: bool,
) -> None:
    """Search a collection and show the hits of each query: those given, and the lines of a file."""
    asked = [*queries, *(_lines_of(path) if path else [])]
    if len(queries) > 1 and not any(" " in one for one in queries):
        print_warning(f"{len(queries)} queries. Put a question of several words in quotes.")
    with closing(open_library(settings)) as library:
        answers = Collections(library).get(collection).search(asked, options)
    is_one = len(queries) == 1 and path is None
    for answer in answers:
        if json:
            (print_json if is_one else print_json_line)(answer.facts())
            continue
        if not is_one:
            output().print(Text(_plain(answer.query), style="bold underline"))
        _show(answer)


def _lines_of(path: str) -> list[str]:
    """The lines of a file that are not blank; ``-`` is standard input."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).expanduser().read_bytes()
        return [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The queries in {path!r} cannot be read: {error}.") from error


def list_collections(settings: Settings, *, json: bool) -> None:
    """Show every collection."""
    with closing(open_library(settings)) as library:
        found = [one.facts() for one in Collections(library)]
    if json:
        print_json({"collections": found})
        return
    if not found:
        output().print("There is no collection yet: bindery add FOLDER makes one.")
        return
    table = _table("name", "files", "chunks", "model", "languages")
    for one in found:
        name, languages = printable(one["name"]), ", ".join(one["languages"])
        table.add_row(name, f"{one['files']:,}", f"{one['chunks']:,}", one["model"], languages)
    output().print(table)


def list_files(settings: Settings, collection: str, *, json: bool) -> None:
    """Show the files of a collection."""
    with closing(open_library(settings)) as library:
        files = Collections(library).get(collection).files()
    if json:
        print_json({"files": [asdict(file) for file in files]})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("file", overflow="fold")  # never cut: the name is what commands take
    for heading in ("kind", "language", "added"):
        table.add_column(heading, no_wrap=True)
    for file in sorted(files, key=lambda one: one.name):
        added = datetime.fromtimestamp(file.added_at, UTC).strftime("%Y-%m-%d")
        table.add_row(_plain(file.name), file.kind, file.language, added)
    output().print(table)


def remove(settings: Settings, names: Sequence[str], collection: str, *, json: bool) -> None:
    """Remove files from a collection. Raises UnknownFile for the first that it does not have."""
    with closing(open_library(settings)) as library:
        found = Collections(library).get(collection)
        removed = found.remove(names)
    if json:
        print_json({"removed": removed})
    else:
        output().print(f"{count(removed, 'file')} removed.")


def delete(settings: Settings, name: str, *, json: bool) -> None:
    """Delete a collection."""
    with closing(open_library(settings)) as library:
        Collections(library).delete(name)
    if json:
        print_json({"deleted": name})
    else:
        output().print(f"{printable(name)} is deleted.")


def _attribute(text: str) -> tuple[str, object]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise InvalidValue(
            f"An attribute is written NAME=VALUE, got {text[:80]!r}.", param="attribute"
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


def _show(answer: SearchAnswer) -> None:
    console = output()
    for number, hit in enumerate(answer.hits, 1):
        where = f", page {hit.page}" if hit.page else ""
        head = Text(f"{number}. ", style="bold")
        head.append(_plain(hit.file), style="bold cyan")
        head.append(f"{where}  {hit.score:.3f}", style="dim")
        console.print(head)
        if hit.headings:
            console.print(_indented(Text(_plain(" > ".join(hit.headings)), style="italic")))
        console.print(_indented(_passage(hit)))
        console.print()
    if not answer.hits:
        console.print("Nothing was found.")
    for warning in answer.warnings:
        print_warning(warning)
    milliseconds = sum(stage.milliseconds for stage in answer.stages)
    messages().print(
        f"{count(len(answer.hits), 'hit')} of {count(answer.searched, 'chunk')}, "
        f"{answer.mode}, {milliseconds:.1f} ms",
        soft_wrap=True,
    )


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 3))


def _passage(hit: Hit) -> Text:
    """The text around the first word that matched, in whole words, with the matches marked."""
    text, start = hit.text, 0
    if hit.marks and hit.marks[0].start > _SHOWN_CHARACTERS // 2:
        start = text.find(" ", hit.marks[0].start - _SHOWN_CHARACTERS // 4) + 1
    end = min(len(text), start + _SHOWN_CHARACTERS)
    if end < len(text):
        end = max(text.rfind(" ", start, end), start + 1)
    shown = Text("... " if start else "")
    at = start
    for mark in [*hit.marks, Span(end, end + 1)]:
        begin, stop = min(max(mark.start, at), end), min(mark.end, end)
        shown.append(_plain(text[at:begin]))
        if at <= mark.start < end:
            shown.append(_plain(text[begin:stop]), style="bold yellow")
        at = max(at, stop)
    shown.append(" ..." if end < len(text) else "")
    return shown


def _plain(text: str) -> str:
    return printable(re.sub(r"\s+", " ", text))


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        # The first column names things, and is shown whole.
        is_first = heading == headings[0]
        table.add_column(heading, no_wrap=not is_first, overflow="fold" if is_first else "ellipsis")
    return table

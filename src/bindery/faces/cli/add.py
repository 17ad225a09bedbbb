"""``bindery add``: documents and folders become a collection that is searched."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from bindery.errors import InvalidValue, UnknownFile
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
from bindery.faces.cli.progress import follow_on, run_followed
from bindery.faces.python import open_library
from bindery.jobs import JobRequest, Jobs
from bindery.options import ChunkOptions, VectorOptions
from bindery.search.adding import AddOptions, AddReport, add_local, open_for_adding
from bindery.search.collection import Collection, Collections
from bindery.settings import Settings

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
        names = ", ".join(plain(name) for name in report.gone[:_SHOWN_NAMES])
        more = " ..." if len(report.gone) > _SHOWN_NAMES else ""
        print_warning(
            f"{count(len(report.gone), 'file')} of the collection no longer on disk: "
            f"{names}{more}. Use --sync to remove them."
        )
    for warning in report.warnings:
        print_warning(warning)
    output().print(
        f"{printable(collection.name)}: {count(facts['files'], 'file')}, "
        f"{count(facts['chunks'], 'chunk')}, {seconds:.1f} s",
        soft_wrap=True,
    )


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

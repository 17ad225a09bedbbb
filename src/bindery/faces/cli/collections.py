"""``bindery search`` and ``bindery collections``."""

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bindery.errors import InputError
from bindery.faces.cli.asking import Asked, Facts
from bindery.faces.cli.printing import (
    confirm,
    count,
    messages,
    output,
    print_json,
    print_json_line,
    print_warning,
    printable,
)
from bindery.faces.cli.progress import follow_lines
from bindery.faces.running import expected_address
from bindery.filters import filter_to_json
from bindery.options import SearchOptions, VectorOptions, names_of
from bindery.types import Span, page_range

if TYPE_CHECKING:
    # It imports SQLAlchemy and NumPy, which take half a second, and a server may answer.
    from bindery.search.collection import Collections
    from bindery.search.local_work import LocalWork

_SHOWN_CHARACTERS = 400
_BREAK = re.compile(r"\s*\n\s*\n\s*|\s*\n(?=\s*(?:[-*+|#>`\u2022]|\d{1,3}[.)]\s))")


def search(
    asked: Asked,
    words: Sequence[str],
    collection: str,
    options: SearchOptions,
    *,
    path: str | None = None,
    json: bool,
) -> None:
    """Search a collection and show the hits of a query, in words, and of each line of a file."""
    query = [" ".join(words)] if words else []
    texts = [*query, *(_lines_of(path) if path else [])]
    is_one = path is None
    for answer in answers_of(asked, texts, collection, options):
        if json:
            (print_json if is_one else print_json_line)(answer)
            continue
        if not is_one:
            output().print(Text(plain(answer["query"]), style="bold underline"))
        _show(answer, is_filtered=options.filter is not None)


def export(asked: Asked, name: str, path: Path, form: str, *, json: bool) -> None:
    """Write a collection to a file."""
    checked = str(VectorOptions(form=form).form)

    def alone() -> "LocalWork":
        from bindery.search import local_work  # as above

        return partial(local_work.export, name, path, checked)

    body = {"path": str(path.expanduser().absolute()), "form": checked}
    facts = follow_lines(asked.work(name, "export", body=body, alone=alone), json=json)
    if json:
        print_json({**facts, "file": str(path)})
    else:
        chunks = count(facts["chunks"], "chunk")
        messages().print(f"Wrote {chunks} of {printable(name)} to {path}.")


def import_(asked: Asked, name: str, source: str, *, json: bool, **of_records: str) -> None:
    """Make a collection of what was exported, or of records."""
    # The server may have another current folder.
    place = source if "://" in source else str(Path(source).expanduser().absolute())

    def alone() -> "LocalWork":
        from bindery.search import local_work  # as above

        return partial(local_work.import_, name, place, of_records)

    asked = asked.for_model(of_records["model"])
    body = {"source": place, **of_records}
    report = follow_lines(asked.work(name, "import", body=body, alone=alone), json=json)
    if json:
        print_json(report)
        return
    files, chunks = count(report["files"], "file"), count(report["chunks"], "chunk")
    messages().print(f"Imported {files} with {chunks} into {printable(name)}.")


def given_options(options: SearchOptions) -> Facts:
    """The options that differ from the usual ones, as bodies of requests have them."""
    given = {
        name: value
        for name in names_of(SearchOptions)
        if (value := getattr(options, name)) != getattr(SearchOptions(), name)
    }
    return given if options.where is None else {**given, "filter": filter_to_json(options.where)}


def answers_of(
    asked: Asked, queries: list[str], collection: str, options: SearchOptions
) -> list[Facts]:
    """The answer of each query, as JSON has it."""

    def alone(found: "Collections") -> Facts:
        answers = found.get(collection).search(queries, options)
        address = expected_address(asked.settings)
        return {"answers": [answer.facts(address) for answer in answers]}

    body = {"query": queries, **given_options(options)}
    return asked.get("POST", collection, "search", body=body, alone=alone)["answers"]


def _lines_of(path: str) -> list[str]:
    """The lines of a file that are not blank; ``-`` is standard input."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).expanduser().read_bytes()
        return [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(f"The queries in {path!r} cannot be read: {why}.") from error


def list_collections(asked: Asked, *, json: bool) -> None:
    """Show every collection."""
    answer = asked.get("GET", alone=lambda all_: {"collections": [one.facts() for one in all_]})
    found = answer["collections"]
    if json:
        print_json({"collections": found})
        return
    if not found:
        output().print("There are no collections yet. Create one with `bindery add FOLDER`.")
        return
    table = _table("name", "files", "chunks", "model", "languages")
    for one in found:
        name, languages = printable(one["name"]), ", ".join(one["languages"])
        table.add_row(name, f"{one['files']:,}", f"{one['chunks']:,}", one["model"], languages)
    output().print(table)
    for one in found:
        for warning in one["warnings"]:
            print_warning(warning, about=one["name"])


def list_files(asked: Asked, collection: str, *, json: bool) -> None:
    """Show the files of a collection."""

    def alone(found: "Collections") -> Facts:
        files = found.get(collection).files()
        return {"total_files": len(files), "next": None, "files": [file.facts() for file in files]}

    answer = asked.get("GET", collection, "files", alone=alone)
    if json:
        print_json(answer)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("file", overflow="fold")  # never cut: the name is what commands take
    for heading in ("kind", "language", "added"):
        table.add_column(heading, no_wrap=True)
    for file in sorted(answer["files"], key=lambda one: one["file"]):
        table.add_row(plain(file["file"]), file["kind"], file["language"], file["added_at"][:10])
    output().print(table)


def remove(asked: Asked, names: Sequence[str], collection: str, *, now: bool, json: bool) -> None:
    """Remove files from a collection. Raises UnknownFile for the first that it does not have."""
    answer = asked.get(
        "POST",
        collection,
        "files",
        "remove",
        body={"files": list(names), "now": now},
        alone=lambda found: {"receipt": found.get(collection).remove(names, now=now).facts()},
    )
    receipt = answer["receipt"]
    if json:
        print_json({"removed": len(receipt["files"]), **receipt})
    else:
        _print_receipt(f"{count(len(receipt['files']), 'file')} removed", receipt)


def delete(asked: Asked, name: str, *, now: bool, confirmed: bool, json: bool) -> None:
    """Delete a collection, once that is confirmed."""
    files = asked.get("GET", name, alone=lambda found: found.get(name).facts())["files"]
    question = f"Delete the collection {printable(name)} with {count(files, 'file')}?"
    confirm(question, confirmed=confirmed, json=json)
    answer = asked.get(
        "DELETE",
        name,
        query="now=true" if now else "",
        alone=lambda found: {"receipt": found.delete(name, now=now).facts()},
    )
    receipt = answer["receipt"]
    if json:
        print_json({"deleted": name, **receipt})
    else:
        _print_receipt(f"{printable(name)} is deleted", receipt)


def _print_receipt(what: str, receipt: Facts) -> None:
    chunks, vectors = count(receipt["chunks"], "chunk"), count(receipt["vectors"], "vector")
    output().print(f"{what}, with {chunks} and {vectors}.", soft_wrap=True)
    if receipt["marks"] or receipt["evaluations"]:
        asked = f"{count(receipt['marks'], 'mark')} and {count(receipt['evaluations'], 'file')}"
        output().print(f"Also deleted: {asked} of evaluations.")
    for one in receipt["kept"]:
        where = f"{one['collection']}: {one['name']}" if one["collection"] else one["name"]
        print_warning(f"The same text is kept in {plain(where)} ({one['kind']}). {one['reason']}")
    if receipt["segments_left"]:
        parts = count(receipt["segments_left"], "file")
        print_warning(
            f"{parts} of the index, {receipt['bytes_left']:,} bytes, still have the words and "
            "vectors until they are written again: by a server within an hour, or at once with "
            "--now."
        )


def _show(answer: Facts, *, is_filtered: bool) -> None:
    console = output()
    for number, hit in enumerate(answer["hits"], 1):
        print_passage(number, hit)
        if hit["words"]:
            shares = [f"{plain(one['word'])} {one['score']:.2f}" for one in hit["words"]]
            console.print(_indented(Text(f"words: {', '.join(shares)}", style="dim")))
        console.print()
    if not answer["hits"]:
        console.print(_nothing(answer, is_filtered=is_filtered), soft_wrap=True)
    for failure in answer["failures"]:
        print_warning(
            f"The stage {failure['stage']} failed, so the answer is partial: {failure['message']}"
        )
    for warning in answer["warnings"]:
        print_warning(warning)
    milliseconds = sum(stage["milliseconds"] for stage in answer["stages"])
    messages().print(
        f"{count(len(answer['hits']), 'hit')} of {count(answer['searched'], 'chunk')}, "
        f"{answer['mode']}, {milliseconds:.1f} ms",
        soft_wrap=True,
    )


def print_passage(number: int, hit: Facts) -> None:
    """Show a hit: its file, score and headings, and its text with the words marked."""
    console = output()
    pages = page_range(hit["page"], hit["last_page"])
    where = f", page {pages}" if pages else ""
    head = Text(f"{number}. ", style="bold")
    head.append(plain(hit["file"]), style="bold cyan")
    head.append(f"{where}  {hit['score']:.3f}", style="dim")
    console.print(head)
    if hit["headings"]:
        console.print(_indented(_headings(hit)))
    console.print(_indented(_passage(hit["text"], _spans(hit["marks"]))))


def _nothing(answer: Facts, *, is_filtered: bool) -> str:
    """Why an answer has no hits, and what to do."""
    if answer["query"].count('"') > 1:
        return "Nothing was found with exactly the words in double quotes."
    if answer["searched"]:
        return "Nothing was found."
    if is_filtered:
        return "No chunk passes the filter."
    return f"{plain(answer['collection'])} has no chunks yet. Add files with: bindery add FOLDER"


def _headings(hit: Facts) -> Text:
    parts = [
        _marked(heading, 0, len(heading), _spans(marks))
        for heading, marks in zip(hit["headings"], hit["heading_marks"], strict=True)
    ]
    shown = Text(" > ").join(parts)
    shown.stylize("italic")
    return shown


def _spans(marks: Sequence[Facts]) -> list[Span]:
    return [Span(mark["start"], mark["end"]) for mark in marks]


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 3))


def _passage(text: str, marks: Sequence[Span]) -> Text:
    """The text around the first word that matched, in whole words, with the matches marked."""
    start = 0
    if marks and marks[0].start > _SHOWN_CHARACTERS // 2:
        start = text.find(" ", marks[0].start - _SHOWN_CHARACTERS // 4) + 1
    end = min(len(text), start + _SHOWN_CHARACTERS)
    if end < len(text):
        end = max(text.rfind(" ", start, end), start + 1)
    shown = Text("... " if start else "")
    shown.append_text(_marked(text, start, end, marks))
    shown.append(" ..." if end < len(text) else "")
    return shown


def _marked(text: str, start: int, end: int, marks: Sequence[Span]) -> Text:
    """A part of a text with the matches marked."""
    shown, at = Text(), start
    for mark in [*marks, Span(end, end + 1)]:
        begin, stop = min(max(mark.start, at), end), min(mark.end, end)
        shown.append(_lines(text[at:begin]))
        if at <= mark.start < end:
            shown.append(plain(text[begin:stop]), style="bold yellow")
        at = max(at, stop)
    return shown


def _lines(text: str) -> str:
    """A part of a passage, with line ends between paragraphs, list items and rows of tables."""
    return "\n".join(map(plain, _BREAK.split(text)))


def plain(text: str) -> str:
    """A text in one line, without characters that a terminal would act on."""
    return printable(re.sub(r"\s+", " ", text))


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        # The first column names things, and is shown whole.
        is_first = heading == headings[0]
        table.add_column(heading, no_wrap=not is_first, overflow="fold" if is_first else "ellipsis")
    return table

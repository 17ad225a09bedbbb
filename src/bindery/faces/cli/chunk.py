"""``bindery chunk``: a document in, its chunks out."""

from collections.abc import Sequence
from contextlib import closing

from rich.table import Table

from bindery.faces.cli.inputs import Cutting, Pages, read_document, shown_name
from bindery.faces.cli.printing import (
    count,
    first_line,
    messages,
    output,
    print_json,
    print_warning,
)
from bindery.faces.python import open_library
from bindery.settings import Settings
from bindery.types import Chunk, Document


def chunk(settings: Settings, file: str, cutting: Cutting, *, json: bool) -> None:
    """Cut one document and show the chunks; those over the model's window are told apart."""
    with closing(open_library(settings)) as library:
        cutting.check(library)
        document = read_document(file, timeout_s=settings.parse_timeout_s)
        chunks = cutting.cut(library, document)
        room = library.measure(cutting.model).room
    if json:
        _print_json(file, document, chunks, cutting, room)
        return
    for warning in document.warnings:
        print_warning(f"{shown_name(file)}: {warning}")
    _print_table(document, chunks)
    tokens = sum(one.tokens for one in chunks)
    messages().print(
        f"{count(len(chunks), 'chunk')}, {count(tokens, 'token')}, "
        f"{count(len(document.text), 'character')} "
        f"({document.kind}, {cutting.strategy}, up to {cutting.size or room} tokens)",
        soft_wrap=True,
    )
    over = sum(one.tokens > room for one in chunks)
    if over:
        print_warning(
            f"{count(over, 'chunk')} longer than the {room} tokens that {cutting.model} takes: "
            "what is beyond would not be embedded."
        )


def _print_table(document: Document, chunks: Sequence[Chunk]) -> None:
    pages = Pages(document)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    headings = ("index", "start", "end", "tokens", *(("page",) if pages else ()))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    for index, one in enumerate(chunks):
        cells = [index, one.span.start, one.span.end, one.tokens]
        page = [pages.at(one.span.start) or ""] if pages else []
        table.add_row(*map(str, [*cells, *page]), first_line(one.text))
    output().print(table)


def _print_json(
    file: str, document: Document, chunks: Sequence[Chunk], cutting: Cutting, room: int
) -> None:
    pages = Pages(document)
    print_json(
        {
            "file": shown_name(file),
            "kind": document.kind,
            "model": cutting.model,
            "strategy": cutting.strategy,
            "size": cutting.size or room,
            "overlap": cutting.overlap,
            "total_chunks": len(chunks),
            "chunks": [
                {
                    "index": index,
                    "start": one.span.start,
                    "end": one.span.end,
                    **({"page": pages.at(one.span.start)} if pages else {}),
                    "text": one.text,
                    "tokens": one.tokens,
                    "tokens_cut": max(0, one.tokens - room),
                }
                for index, one in enumerate(chunks)
            ],
            "warnings": document.warnings,
        }
    )

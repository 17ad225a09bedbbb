"""``bindery chunk``: a document in, its chunks out."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict

from bindery.chunking import facts_of, truncated
from bindery.faces.cli.inputs import read_document
from bindery.faces.cli.printing import (
    count,
    first_line,
    messages,
    new_table,
    output,
    print_json,
    print_warning,
)
from bindery.faces.python import open_library
from bindery.jobs.sources import shown_path
from bindery.options import ChunkOptions
from bindery.settings import Settings
from bindery.types import Chunk, Document, Span, page_range


def chunk(settings: Settings, file: str, options: ChunkOptions, *, model: str, json: bool) -> None:
    """Chunk a document and show the chunks, with a warning if the model would truncate some."""
    with closing(open_library(settings)) as library:
        # Wrong options are reported before the document is parsed.
        library.chunk(Document("", "text", ""), options, model_id=model)
        timeout_s = settings.parse_timeout_s
        document = read_document(file, settings)
        spent: list[int] = []
        chunks = library.chunk(
            document,
            options,
            model_id=model,
            parse_timeout_s=timeout_s,
            when_embedded=spent.append,
        )
        measure = library.measure(model)
    room = measure.room
    options = options.sized(room)
    cuts = [truncated(one, measure.tokeniser, room=room) for one in chunks]
    if json:
        pairs = enumerate(zip(chunks, cuts, strict=True))
        facts = [{"index": index, **facts_of(one, cut, room=room)} for index, (one, cut) in pairs]
        about = {"file": shown_path(file), "kind": document.kind, "model": model}
        counts = {"total_chunks": len(chunks), "tokens_spent": sum(spent)}
        print_json(
            {**about, **asdict(options), **counts, "chunks": facts, "warnings": document.warnings}
        )
        return
    for warning in document.warnings:
        print_warning(warning, about=shown_path(file))
    _print_table(chunks, cuts)
    tokens = sum(one.tokens for one in chunks)
    messages().print(
        f"{count(len(chunks), 'chunk')}, {count(tokens, 'token')}, "
        f"{count(len(document.text), 'character')} "
        f"({document.kind}, {options.strategy}, up to {options.size} tokens)",
        soft_wrap=True,
    )
    if spent:
        cost = f"{model} embedded {count(sum(spent), 'token')} to find the boundaries."
        messages().print(cost, soft_wrap=True)
    over = sum(cut is not None for cut in cuts)
    if over:
        print_warning(
            f"{count(over, 'chunk')} longer than the {room} tokens that {model} reads: "
            "the rest would not be embedded."
        )


def _print_table(chunks: Sequence[Chunk], cuts: Sequence[Span | None]) -> None:
    """Print a row for each chunk; optional columns without any value are left out."""
    columns: dict[str, list[str]] = {
        "index": [str(index) for index in range(len(chunks))],
        "start": [str(one.span.start) for one in chunks],
        "end": [str(one.span.end) for one in chunks],
        "tokens": [str(one.tokens) for one in chunks],
        "cut at": [str(cut.start) if cut else "" for cut in cuts],
        "page": [page_range(one.page, one.last_page) for one in chunks],
        "parent": [f"{one.parent.start}:{one.parent.end}" if one.parent else "" for one in chunks],
    }
    always = ("index", "start", "end", "tokens")
    columns = {name: cells for name, cells in columns.items() if name in always or any(cells)}
    table = new_table(expand=True)
    table.show_header = True
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    headings = [first_line(" > ".join(one.headings)) for one in chunks]
    if any(headings):
        table.add_column("headings", no_wrap=True, overflow="ellipsis", ratio=1)
        columns["headings"] = headings
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=2)
    columns["text"] = [first_line(one.text) for one in chunks]
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    output().print(table)

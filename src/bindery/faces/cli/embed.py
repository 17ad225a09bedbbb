"""``bindery embed``: files in, one record per chunk out."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from bindery import __version__
from bindery.encoders import Encoder
from bindery.errors import BinderyError, InvalidValue
from bindery.faces.cli import inputs
from bindery.faces.cli.exits import described
from bindery.faces.cli.inputs import Piece
from bindery.faces.cli.printing import (
    count,
    messages,
    output,
    print_error,
    print_json,
    print_warning,
    printable,
)
from bindery.faces.cli.records import About, Batch
from bindery.faces.cli.writers import check_target, print_document, write_file, write_output
from bindery.faces.python import open_library
from bindery.library import Library
from bindery.models.card import Family
from bindery.options import ChunkOptions, VectorOptions
from bindery.settings import Settings
from bindery.types import Document
from bindery.vectors import Form

# A second or two of work on two cores, so that progress moves; the encoder sorts a batch by length
# and spreads it over the cores.
_BATCH_TOKENS = 32_768
_BATCH_TEXTS = 1024


@dataclass(frozen=True, slots=True)
class Job:
    """What ``bindery embed`` was asked for; ``out`` None is standard output."""

    files: Sequence[str]
    out: Path | None
    model: str
    chunks: ChunkOptions
    vectors: VectorOptions
    lines: bool
    json: bool


@dataclass(slots=True)
class Tally:
    """What became of the work so far."""

    console: Console
    texts: int = 0
    tokens: int = 0
    cut: int = 0
    failed: list[tuple[str, BinderyError]] = field(default_factory=list[tuple[str, BinderyError]])
    warnings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def fail(self, file: str, error: BinderyError) -> None:
        """Note and tell that a file cannot be read."""
        self.failed.append((inputs.shown_name(file), error))
        print_error(error, console=self.console)

    def warn(self, file: str, message: str) -> None:
        """Note and tell what a reader had to guess."""
        self.warnings.append((inputs.shown_name(file), message))
        print_warning(message, about=inputs.shown_name(file), console=self.console)

    def count(self, batch: Batch) -> None:
        """Add what a batch holds."""
        self.texts += len(batch.pieces)
        self.tokens += max(0, batch.encoded.total_tokens)
        self.cut += int((batch.encoded.tokens_cut > 0).sum())

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "texts": self.texts,
            "tokens_used": self.tokens,
            "texts_cut": self.cut,
            "failed": [{"file": file, **described(error)} for file, error in self.failed],
            "warnings": [{"file": file, "message": message} for file, message in self.warnings],
        }


def embed(settings: Settings, job: Job) -> bool:
    """Embed the files and write the records; whether every file could be read."""
    _check_by_itself(job.chunks)
    if job.out:
        check_target(job.out)
    started = time.monotonic()
    tally = Tally(messages())
    with closing(open_library(settings)) as library:
        # A wrong option is told before any file is read; only with a text is a title looked at.
        probe = [""] if job.vectors.title else []
        encoder, _ = library.embed(job.model, probe, job.vectors)
        if not job.lines:
            job = _fitted(job, library)
            library.chunk(Document("", "text", ""), job.chunks, model_id=job.model)
        about = _about(library, encoder, job)
        pieces = inputs.pieces_of(job.files, _reader(library, settings, job, tally), tally.fail)
        with _progress(tally.console, job) as progress:
            batches = embedded(pieces, library, job.model, job.vectors)
            is_written = _write(_counted(batches, tally, progress), job, about, tally)
    seconds = time.monotonic() - started
    if job.json and job.out:
        out = inputs.shown_name(str(job.out)) if is_written else None
        print_json({**about.facts(), "out": out, **tally.facts(), "seconds": round(seconds, 3)})
    elif not job.json:
        _sum_up(job, tally, seconds, is_written=is_written)
    return not tally.failed


def _check_by_itself(options: ChunkOptions) -> None:
    """Raise InvalidValue where a vector depends on more than its text: records hold that alone."""
    wholes = {"strategy": options.is_late, "context": options.context != "none"}
    for name, is_asked in wholes.items():
        if is_asked:
            value = getattr(options, name)
            raise InvalidValue(
                f"--{name} {value} is for folders: a record of a file holds a chunk by itself.",
                remedy="Put the files in a folder: bindery embed FOLDER --out DIR.",
                param=name,
            )


def embedded(
    pieces: Iterator[Piece], library: Library, model: str, options: VectorOptions
) -> Iterator[Batch]:
    """The pieces with their vectors, in order, a batch at a time."""
    for batch in _batches(pieces):
        _, encoded = library.embed(model, [piece.text for piece in batch], options)
        yield Batch(batch, encoded)


def _batches(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    tokens = 0
    for piece in pieces:
        batch.append(piece)
        # Where nobody counts, four characters are about a token.
        tokens += piece.tokens if piece.tokens >= 0 else len(piece.text) // 4
        if tokens >= _BATCH_TOKENS or len(batch) >= _BATCH_TEXTS:
            yield batch
            batch, tokens = [], 0
    if batch:
        yield batch


def _reader(
    library: Library, settings: Settings, job: Job, tally: Tally
) -> Callable[[str], Iterator[Piece]]:
    if job.lines:
        return lambda file: inputs.read_lines(file, library, job.model)
    return lambda file: inputs.read_chunks(
        file,
        library,
        job.model,
        job.chunks,
        timeout_s=settings.parse_timeout_s,
        warn=tally.warn,
    )


def _fitted(job: Job, library: Library) -> Job:
    """The job with chunks that fit beside the prompt of their role, or beside their title."""
    room = library.room(job.model, job.vectors.role, title=job.vectors.title)
    return replace(job, chunks=job.chunks.sized(room))


def _about(library: Library, encoder: Encoder, job: Job) -> About:
    card, chunks, vectors = encoder.card, job.chunks, job.vectors
    digest = (
        library.rotations.get(vectors.rotation).digest if vectors.rotation is not None else None
    )
    return About(
        model=card.id,
        repository=card.repository,
        revision=card.revision,
        precision=encoder.precision,
        dimensions=vectors.dimensions or card.dimensions,
        role=vectors.role,
        strategy=None if job.lines else chunks.strategy,
        size=None if job.lines else chunks.size,
        overlap=None if job.lines else chunks.overlap,
        bindery=__version__,
        form=Form(vectors.form),
        rotation=vectors.rotation,
        rotation_digest=digest,
        title=vectors.title,
        has_many_vectors=card.family is Family.LATE_INTERACTION,
    )


def _write(batches: Iterator[Batch], job: Job, about: About, tally: Tally) -> bool:
    """Write the records; whether there is anything written."""
    if job.out:
        # Where no file could be read, an older file of that name is worth more than an empty one.
        first = next(batches, None)
        if first is None and tally.failed:
            return False
        write_file(itertools.chain([first] if first else [], batches), job.out, about)
    elif job.json:
        print_document(batches, about, tally.facts)
    else:
        write_output(batches, about)
    return True


def _progress(console: Console, job: Job) -> Progress:
    total = None if inputs.STANDARD_INPUT in job.files else inputs.size_bytes(job.files)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    progress.add_task("embedding", total=total or None, done="")
    return progress


def _counted(batches: Iterator[Batch], tally: Tally, progress: Progress) -> Iterator[Batch]:
    """The same batches; each is counted and shown before it goes on."""
    started = time.monotonic()
    task = progress.task_ids[0]
    for batch in batches:
        tally.count(batch)
        rate = tally.texts / (time.monotonic() - started)
        share = sum(piece.share for piece in batch.pieces)
        progress.update(task, advance=share, done=f"{tally.texts:,} texts, {rate:,.0f}/s")
        yield batch


def _sum_up(job: Job, tally: Tally, seconds: float, *, is_written: bool) -> None:
    if tally.cut:
        print_warning(
            f"{count(tally.cut, 'text')} longer than the model's window, and cut: see tokens_cut.",
            console=tally.console,
        )
    if not is_written:
        output().print("No file could be read: nothing was written.")
        return
    texts = count(tally.texts, "line" if job.lines else "chunk")
    files = count(len(job.files), "file")
    if tally.failed:
        files = f"{len(job.files) - len(tally.failed)} of {files}"
    line = f"{texts} of {files}, {count(tally.tokens, 'token')}, {seconds:.1f} s"
    if job.out:
        out = printable(inputs.shown_name(str(job.out)))
        output().print(f"{line}: written to {out}", soft_wrap=True)
    else:
        tally.console.print(line, soft_wrap=True)

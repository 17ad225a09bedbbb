"""``bindery embed``: documents in, a row with a vector for each chunk out."""

import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from bindery.disk import whole_file
from bindery.errors import InvalidValue, StorageError
from bindery.faces.cli.inputs import Inputs, check_earlier, find_inputs
from bindery.faces.cli.options import EmbedArguments
from bindery.faces.cli.printing import messages, print_json, print_json_line
from bindery.faces.cli.progress import Follow, Shown, follow_on
from bindery.faces.cli.report import EmbedReport
from bindery.faces.python import open_library
from bindery.jobs import JobRequest
from bindery.jobs.results import Results
from bindery.jobs.sources import LocalFiles
from bindery.jobs.stream import ResultStream
from bindery.jobs.writers import FORMATS, json_records, write_json_lines
from bindery.library import Library
from bindery.options import ChunkOptions, VectorOptions
from bindery.settings import Settings
from bindery.vectors.reading import read_about

_COPY_BYTES = 1 << 20


def embed(
    settings: Settings, asked: EmbedArguments, chunks: ChunkOptions, vectors: VectorOptions
) -> bool:
    """Embed the inputs and write the results; whether every file could be embedded."""
    started = time.monotonic()
    _check_output(asked)
    without = asked.out if asked.is_folder else None
    inputs = find_inputs(asked.files, without=without, takes_hidden=asked.hidden)
    request = JobRequest(tuple(inputs.files), asked.model, chunks, vectors, asked.lines)
    with closing(open_library(settings)) as library:
        run = _into_folder if asked.is_folder else _as_stream
        report = run(library, inputs.source(settings), asked, inputs, request, started)
    if not asked.json:
        noun = "line" if asked.lines else "chunk"
        report.print(messages(), noun=noun, to_file=asked.out is not None)
    return not report.failed(forgives_unsupported=asked.skip_unsupported)


def _check_output(asked: EmbedArguments) -> None:
    """Raise InvalidValue if no format fits ``out``, StorageError if its folder is missing."""
    out = asked.out
    if asked.format is not None and not asked.is_folder:
        raise InvalidValue(
            "--format is only for an output folder: the suffix of a file is its format.",
            remedy="Leave --format out, or give a folder as --out.",
            param="format",
        )
    if out is None or asked.is_folder:
        return
    if out.suffix.lower().removeprefix(".") not in FORMATS:
        suffixes = ", ".join(f".{one}" for one in FORMATS)
        raise InvalidValue(
            f"Unknown suffix {out.suffix!r} of the output file {str(out)!r}.",
            remedy=f"Choose a name that ends in {suffixes}, or a folder.",
            param="out",
        )
    if not out.parent.is_dir():
        raise StorageError(
            f"There is no folder {str(out.parent)!r} to write to.", remedy="Create it first."
        )


def _into_folder(
    library: Library,
    source: LocalFiles,
    asked: EmbedArguments,
    inputs: Inputs,
    request: JobRequest,
    started: float,
) -> EmbedReport:
    # SQLAlchemy takes a quarter of a second to import, and only a folder needs it.
    from bindery.faces.cli.output_folder import OutputFolder

    assert asked.out is not None
    folder = OutputFolder(asked.out, asked.format or "parquet", replaces=asked.replace)
    follow = follow_on(messages(), json=asked.json)
    report = folder.embed(library, source, request, inputs, follow, started)
    if asked.json:
        print_json_line({"event": "end", **report.facts()})
    return report


def _as_stream(
    library: Library,
    source: LocalFiles,
    asked: EmbedArguments,
    inputs: Inputs,
    request: JobRequest,
    started: float,
) -> EmbedReport:
    """Write the results as they are made, and keep nothing else."""
    if asked.out is not None and not asked.replace:
        _check_file(asked.out, inputs)
    follow: Follow = Shown(messages(), is_quiet=True)
    stream = ResultStream(library, source, request, tell=follow.tell, inputs=inputs.given)

    def report(out: Path | None = None) -> EmbedReport:
        results = stream.results
        return EmbedReport(
            about=results.table.about,
            files=stream.files,
            progress=stream.progress,
            skipped=inputs.skipped,
            chunks=results.chunks,
            chunks_cut=results.chunks_cut,
            out=out,
            seconds=time.monotonic() - started,
        )

    with closing(stream), follow:
        out = None
        if asked.out is not None:
            out = _write_file(stream.results, asked.out, lambda: bool(report().failed()))
        elif asked.json:
            _print_document(stream.results, lambda: report().facts())
        else:
            write_json_lines(stream.results, sys.stdout.buffer, stream.results.table)
    done = report(out)
    if asked.out is not None and asked.json:
        print_json(done.facts())
    return done


def _write_file(results: Results, out: Path, has_failed: Callable[[], bool]) -> Path | None:
    """Write all rows; if there are none because files failed, keep an older file, return None."""
    rows = iter(results)
    first = next(rows, None)
    if first is None and has_failed():
        return None
    write = FORMATS[out.suffix.lower().removeprefix(".")]
    with whole_file(out) as sink:
        write(itertools.chain([] if first is None else [first], rows), sink, results.table)
    return out


def _print_document(results: Results, facts: Callable[[], Mapping[str, Any]]) -> None:
    """Write one JSON document to standard output when it is complete.

    ``facts`` is called at the end, and its values follow the chunks.
    """
    about = results.table.about
    with tempfile.TemporaryFile() as spool:
        spool.write(orjson.dumps(about)[:-1] + b',"chunks":[')
        for number, record in enumerate(_records(results)):
            spool.write((b",\n" if number else b"\n") + record)
        known = {*about, "chunks"}
        ending = {name: fact for name, fact in facts().items() if name not in known}
        spool.write(b"]," + orjson.dumps(ending)[1:] + b"\n")
        spool.seek(0)
        shutil.copyfileobj(spool, sys.stdout.buffer, _COPY_BYTES)
        sys.stdout.buffer.flush()


def _records(results: Results) -> Iterator[bytes]:
    for rows in results:
        yield from json_records(rows, results.table)


def _check_file(out: Path, inputs: Inputs) -> None:
    """Raise InvalidValue if the file exists with the embeddings of other inputs."""
    if not out.is_file():
        return
    if out.suffix.lower() == ".jsonl":  # it has no metadata, but each row names its file
        with out.open("rb") as file:
            try:
                earlier = [orjson.loads(file.readline())["file"]]
            except (ValueError, KeyError, TypeError):  # embed did not write it
                return
        check_earlier(out, earlier, tuple(inputs.files))
    else:
        try:
            earlier = read_about(out).get("inputs", ())
        except InvalidValue:  # embed did not write it
            return
        check_earlier(out, earlier, inputs.given)

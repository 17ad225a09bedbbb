"""The same text gives the same rows, whichever way it comes in and whatever it is asked for."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from arro3.io import read_ipc, read_parquet

from bindery.errors import InvalidValue
from bindery.jobs import JobRequest, Jobs
from bindery.jobs.sources import LocalFiles
from bindery.jobs.stream import ResultStream
from bindery.jobs.writers import FORMATS
from bindery.library import Library
from bindery.options import CONTEXTS, STRATEGIES, ChunkOptions, VectorOptions
from bindery.store.database import Database
from bindery.vectors import Form

# HTML proves by its content what it is, so a pipe does not need a name.
NAME = "book.html"
SHEETS = [f"Sheet {n} has a place on shelf {n % 3}; it is bound in calf." for n in range(30)]
TEXT = (
    "<!doctype html><title>On paper</title>\n<h1>Paper</h1>\n<p>Loose paper is fragile.</p>\n"
    "<h2>Shelves</h2>\n" + "\n".join(f"<p>{one}</p>" for one in SHEETS)
)
# "code" cuts programs alone; "semantic" is slow, and differs in no other way.
CHUNKED = [
    *(
        ChunkOptions(one, size=24, overlap=4)
        for one in STRATEGIES
        if one not in ("semantic", "code")
    ),
    *(ChunkOptions(size=24, context=one) for one in CONTEXTS),
    ChunkOptions("parent-child", size=24, parent_size=60),
]
Rows = list[dict[str, Any]]


def streamed(library: Library, source: LocalFiles, request: JobRequest) -> Rows:
    with closing(ResultStream(library, source, request, tell=lambda _: None)) as stream:
        return written(stream.results)


def written(results: Any, format: str = "jsonl") -> Rows:
    sink = io.BytesIO()
    results.write(FORMATS[format], sink)
    return [orjson.loads(line) for line in sink.getvalue().splitlines()]


def in_database(
    library: Library, source: LocalFiles, request: JobRequest, database: Database
) -> Rows:
    jobs = Jobs(library, database=database, source=source)
    return written(jobs.results(jobs.run(jobs.submit(request).id).id))


def upload(library: Library, text: bytes) -> str:
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(text)
        return incoming.keep(NAME).id


def check_same(found: Rows, expected: Rows, *, apart: tuple[str, ...] = ()) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        same = one.keys() - {*apart, "embedding", "scales"}
        assert {name: one[name] for name in same} == {name: other[name] for name in same}
        # Another batch around each text changes the last digits, and a bit or a code of int8.
        difference = np.abs(np.array(one["embedding"], float) - np.array(other["embedding"], float))
        assert np.median(difference) <= (5e-3 if "float" in one["form"] else 0)


@pytest.mark.parametrize("chunks", [*CHUNKED, None], ids=str)
def test_a_file_a_pipe_a_folder_and_an_upload_are_the_same(
    library: Library, tmp_path: Path, chunks: ChunkOptions | None
) -> None:
    path = tmp_path / NAME
    path.write_text(TEXT)
    given = {"lines": True} if chunks is None else {"chunks": chunks}
    request = JobRequest((NAME,), **given)

    def source(file: Any) -> LocalFiles:
        return LocalFiles({NAME: file}, timeout_s=30, limit_bytes=1 << 20)

    file = streamed(library, source(path), request)
    pipe = streamed(library, source(io.BytesIO(TEXT.encode())), request)
    with closing(Database.open(f"sqlite:///{tmp_path / 'jobs.db'}")) as database:
        folder = in_database(library, source(path), request, database)
    stored = JobRequest((upload(library, TEXT.encode()),), **given)
    jobs = Jobs(library)
    uploaded = written(jobs.results(jobs.run(jobs.submit(stored).id).id))

    check_same(pipe, file)
    check_same(folder, file)
    check_same(uploaded, file, apart=("file_id",))
    if chunks is None:
        assert all(TEXT[one["start"] : one["end"]] == one["text"] for one in file)
        assert [one["text"] for one in file] == TEXT.split("\n")
    elif chunks.context == "headings":
        assert "Shelves" in file[-1]["context"]


@pytest.mark.parametrize("form", Form)
def test_every_format_has_the_same_rows_in_every_form(
    library: Library, tmp_path: Path, form: Form
) -> None:
    path = tmp_path / NAME
    path.write_text(TEXT)
    source = LocalFiles({NAME: path}, timeout_s=30, limit_bytes=1 << 20)
    chunks = ChunkOptions("parent-child", size=24, context="headings")
    request = JobRequest((NAME,), chunks=chunks, vectors=VectorOptions(form=form))
    with closing(Database.open(f"sqlite:///{tmp_path / 'jobs.db'}")) as database:
        jobs = Jobs(library, database=database, source=source)
        job = jobs.run(jobs.submit(request).id)
        for name in FORMATS:
            jobs.write_results(job.id, tmp_path / f"rows.{name}", name)
    lines = [orjson.loads(line) for line in (tmp_path / "rows.jsonl").read_bytes().splitlines()]
    for name, read in (("parquet", read_parquet), ("arrow", read_ipc)):
        table = read(tmp_path / f"rows.{name}").read_all()
        columns = [table[column].to_pylist() for column in table.schema.names]
        found = [
            dict(zip(table.schema.names, row, strict=True)) for row in zip(*columns, strict=True)
        ]
        assert [list(row) for row in found] == [list(row) for row in lines]
        check_same(found, lines)
    with np.load(tmp_path / "rows.npz", allow_pickle=False) as arrays:
        assert {*arrays.files} - {"vectors", "offsets", "metadata"} == {*lines[0]} - {"embedding"}
        assert arrays["text"].tolist() == [one["text"] for one in lines]
        assert [orjson.loads(str(one)) for one in arrays["headings"]] == [
            one["headings"] for one in lines
        ]
        assert arrays["page"].tolist() == [0] * len(lines)
        assert arrays["parent_end"].tolist() == [one["parent_end"] for one in lines]


def test_what_lines_and_late_chunking_do_not_take_is_refused(library: Library) -> None:
    with pytest.raises(InvalidValue, match="Lines are not cut into chunks, got size 24"):
        JobRequest(("a",), chunks=ChunkOptions(size=24), lines=True)
    with pytest.raises(InvalidValue, match="takes no title"):
        JobRequest(("a",), chunks=ChunkOptions("late"), vectors=VectorOptions(title="On paper"))

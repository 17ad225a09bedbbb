"""Every format holds the model's own vectors, with the text that each is of."""

import io
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from arro3.io import read_ipc, read_parquet

from bindery import documents as reading
from bindery.encoders import Encoder
from bindery.errors import EngineError
from bindery.jobs import JobRequest
from bindery.jobs.sources import LocalFiles
from bindery.jobs.stream import ResultStream, StreamSink
from bindery.jobs.writers import FORMATS
from bindery.library import Library

from .conftest import Run


def read_json_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_npz(path: Path) -> list[dict]:
    with np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    offsets = columns.pop("offsets")
    vectors = columns.pop("vectors")
    metadata = json.loads(str(columns.pop("metadata")))
    assert vectors.dtype == np.float32
    assert offsets.tolist() == list(range(len(vectors) + 1))
    assert metadata["form"] == "float32"
    missing = {"page": 0, "last_page": 0, "parent_start": -1, "parent_end": -1, "rotation": ""}
    records = []
    for i in range(len(vectors)):
        record = {name: column[i].item() for name, column in columns.items()}
        for name, value in missing.items():
            record[name] = None if record[name] == value else record[name]
        headings = json.loads(record["headings"])
        records.append({**record, "headings": headings, "embedding": vectors[i].tolist()})
    return records


def read_table(path: Path) -> list[dict]:
    table = (read_parquet if path.suffix == ".parquet" else read_ipc)(path).read_all()
    columns = {name: table[name].to_pylist() for name in table.schema.names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


READ = {
    ".jsonl": read_json_lines,
    ".npz": read_npz,
    ".parquet": read_table,
    ".arrow": read_table,
}


def test_every_format_is_read_back_here():
    assert set(READ) == {f".{name}" for name in FORMATS}


@pytest.mark.parametrize("suffix", READ)
def test_a_file_holds_the_vectors_of_its_chunks(
    suffix: str, run: Run, documents: Path, tmp_path: Path, encoder: Encoder
):
    out = tmp_path / f"vectors{suffix}"
    files = [documents / "long.md", documents / "short.txt"]
    result = run("embed", *files, "--out", out, "--size", 50, "--overlap", 5)
    assert result.exit_code == 0, result.output
    records = READ[suffix](out)

    texts = {str(file): reading.parse(file, file.name).text for file in files}
    assert [record["file"] for record in records] == sorted(record["file"] for record in records)
    assert {record["file"] for record in records} == set(texts)
    for record in records:
        assert record["text"] == texts[record["file"]][record["start"] : record["end"]]
        assert record["tokens_cut"] == 0
        assert record["model"] == "vanilla"
        assert record["revision"] == encoder.card.revision
        assert record["precision"] == "f32"
    chunks = [record["text"] for record in records]
    assert [record["tokens"] for record in records] == encoder.tokeniser.count_tokens(chunks)
    found = np.array([record["embedding"] for record in records], dtype=np.float32)
    np.testing.assert_allclose(found, encoder.encode(chunks, "document").rows, atol=1e-6)
    assert list(tmp_path.glob(".*")) == []
    assert f"written to {out}" in result.stdout.replace("\n", "")


def test_standard_output_takes_lines_of_json_and_nothing_else(run: Run, encoder: Encoder):
    result = run("embed", "-", input="Loose paper is fragile.")
    assert result.exit_code == 0, result.output
    (record,) = map(json.loads, result.stdout.splitlines())
    assert record["file"] == "-"
    assert record["text"] == "Loose paper is fragile."
    expected = encoder.encode([record["text"]], "document").rows[0]
    np.testing.assert_allclose(record["embedding"], expected, atol=1e-6)
    assert "1 chunk from 1 file" in result.stderr


def test_lines_are_embedded_as_they_are(run: Run, encoder: Encoder):
    long = "paper " * 300
    lines = ["\ufeffone", "", "  two words ", long, "製本", "last"]
    result = run("embed", "-", "--lines", "--role", "query", "--json", input="\r\n".join(lines))
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    texts = [lines[0].lstrip("\ufeff"), *lines[1:]]
    assert [chunk["text"] for chunk in answer["chunks"]] == texts
    assert [chunk["index"] for chunk in answer["chunks"]] == list(range(len(lines)))
    assert [chunk["tokens"] for chunk in answer["chunks"]] == encoder.tokeniser.count_tokens(texts)
    cut = 300 - encoder.tokeniser.room("query")
    assert [chunk["tokens_cut"] for chunk in answer["chunks"]] == [0, 0, 0, cut, 0, 0]
    found = np.array([chunk["embedding"] for chunk in answer["chunks"]], dtype=np.float32)
    np.testing.assert_allclose(found, encoder.encode(texts, "query").rows, atol=1e-6)
    assert answer["role"] == "query"
    assert answer["chunks_cut"] == 1


def test_a_bad_file_is_reported_and_the_others_go_on(run: Run, documents: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    names = ("missing.txt", "short.txt", "broken.pdf", "blank.txt", "long.md")
    files = [documents / name for name in names]
    result = run("embed", *files, "--out", out, "--json")
    assert result.exit_code == 4, result.output
    answer = json.loads(result.stdout)
    assert [(one["file"], one["code"]) for one in answer["failed"]] == [
        (str(files[0]), "unknown_file"),
        (str(files[2]), "broken_document"),
    ]
    assert [one["file"] for one in answer["warnings"]] == [str(files[3])]
    written = {record["file"] for record in read_json_lines(out)}
    assert written == {str(files[1]), str(files[4])}
    assert "error (unknown_file)" in result.stderr
    assert "error (broken_document)" in result.stderr


def test_where_nothing_can_be_read_an_older_file_stays(run: Run, documents: Path, tmp_path: Path):
    out = tmp_path / "out.npz"
    out.write_bytes(b"older")
    result = run("embed", documents / "broken.pdf", "--out", out)
    assert result.exit_code == 4, result.output
    assert out.read_bytes() == b"older"
    assert "nothing was written" in result.stdout
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("suffix", READ)
def test_what_has_no_text_gives_a_file_without_records(suffix: str, run: Run, tmp_path: Path):
    out = tmp_path / f"empty{suffix}"
    result = run("embed", "-", "--lines", "--out", out, input="")
    assert result.exit_code == 0, result.output
    assert READ[suffix](out) == []


@pytest.mark.parametrize("suffix", READ)
def test_work_that_stops_midway_leaves_no_file(suffix: str, run: Run, tmp_path: Path, monkeypatch):
    out = tmp_path / f"half{suffix}"
    monkeypatch.setattr("bindery.jobs.parts.BATCH_TOKENS", 40)
    given, kept = [], StreamSink.keep

    def keep(sink: StreamSink, *batch):
        if given:
            raise EngineError("stopped")
        given.append(batch)
        return kept(sink, *batch)

    monkeypatch.setattr(StreamSink, "keep", keep)
    result = run("embed", "-", "--lines", "--out", out, input="paper\n" * 200)
    assert result.exit_code == 1, result.output
    assert "stopped" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_texts_are_read_only_as_far_as_they_are_needed(library: Library):
    taken = 0

    class Lines(io.BytesIO):
        def __next__(self) -> bytes:
            nonlocal taken
            taken += 1
            if taken > 500_000:
                raise StopIteration
            return b"%d\n" % taken

    source = LocalFiles({"-": Lines()}, timeout_s=30, limit_bytes=1)
    request = JobRequest(("-",), lines=True)
    with closing(ResultStream(library, source, request, tell=lambda _: None)) as stream:
        assert len(next(stream.results.rows).vectors) > 0
        assert taken < 100_000


def test_the_limit_of_uploads_holds_for_files_in_folders_but_not_for_named_ones(
    run: Run, tmp_path: Path
):
    large = tmp_path / "large.html"
    large.write_text(f"<!-- {'x' * (1 << 20)} --><p>Vellum lasts.</p>")
    result = run("embed", tmp_path, BINDERY_UPLOAD_LIMIT_MB="1")
    assert result.exit_code == 4
    assert "file_too_large" in result.stderr
    result = run("embed", large, BINDERY_UPLOAD_LIMIT_MB="1")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["text"] == "Vellum lasts."


def test_lines_before_a_broken_one_are_there(run: Run):
    result = run("embed", "-", "--lines", input=b"one\ntwo\n\xff\nfour\n")
    assert result.exit_code == 4
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["one", "two"]
    assert "Line 3 of '-' is not UTF-8" in result.stderr

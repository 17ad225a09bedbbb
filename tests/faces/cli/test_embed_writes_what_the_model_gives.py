"""Every format holds the model's own vectors, with the text that each is of."""

import json
from pathlib import Path

import numpy as np
import pytest
from arro3.io import read_parquet

from bindery import documents as reading
from bindery.encoders import Encoder
from bindery.faces.cli.embed import embedded
from bindery.faces.cli.inputs import Piece
from bindery.faces.cli.writers import WRITERS
from bindery.library import Library
from bindery.options import VectorOptions

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
    names = ("model", "revision", "precision")
    return [
        {
            **{name: column[i].item() for name, column in columns.items()},
            **{name: metadata[name] for name in names},
            "embedding": vectors[i].tolist(),
        }
        for i in range(len(vectors))
    ]


def read_table(path: Path) -> list[dict]:
    table = read_parquet(path).read_all()
    metadata = json.loads(table.schema.metadata_str["bindery"])
    columns = {name: table[name].to_pylist() for name in table.schema.names}
    names = ("model", "revision", "precision")
    made_by = {name: metadata[name] for name in names}
    return [
        {**dict(zip(columns, row, strict=True)), **made_by}
        for row in zip(*columns.values(), strict=True)
    ]


READ = {".jsonl": read_json_lines, ".npz": read_npz, ".parquet": read_table}


def test_every_format_is_read_back_here():
    assert set(READ) == set(WRITERS)


@pytest.mark.parametrize("suffix", WRITERS)
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
    assert "1 chunk of 1 file" in result.stderr


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
    assert answer["texts_cut"] == 1


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


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_has_no_text_gives_a_file_without_records(
    suffix: str, documents: Path, tmp_path: Path, home: Path
):
    from bindery.faces.cli.records import About
    from bindery.faces.cli.writers import write_file

    about = About("vanilla", "", "", "f32", 384, "document", "fixed", 10, 0, "0")
    out = tmp_path / f"empty{suffix}"
    write_file([], out, about)
    assert READ[suffix](out) == []


@pytest.mark.parametrize("option", [["--strategy", "late"], ["--context", "headings"]])
def test_what_takes_more_than_a_chunk_is_for_folders(run: Run, tmp_path: Path, option: list[str]):
    (tmp_path / "a.md").write_text("# A\n\nLoose paper.")

    result = run("embed", str(tmp_path / "a.md"), "--out", str(tmp_path / "a.parquet"), *option)

    assert result.exit_code == 2, result.output
    assert "bindery embed FOLDER --out DIR" in result.output
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("suffix", WRITERS)
def test_work_that_stops_midway_leaves_no_file(suffix: str, tmp_path: Path):
    from bindery.errors import EngineError
    from bindery.faces.cli.records import About
    from bindery.faces.cli.writers import write_file

    def stopping():
        yield from ()
        raise EngineError("stopped")

    about = About("vanilla", "", "", "f32", 384, "document", "fixed", 10, 0, "0")
    with pytest.raises(EngineError, match="stopped"):
        write_file(stopping(), tmp_path / f"half{suffix}", about)
    assert list(tmp_path.iterdir()) == []


def test_texts_are_read_only_as_far_as_they_are_needed(library: Library):
    taken = 0

    def pieces():
        nonlocal taken
        for index in range(5000):
            taken += 1
            yield Piece("f", index, 0, 1, "a", 1)

    first = next(embedded(pieces(), library, "vanilla", VectorOptions()))
    assert len(first) == taken < 5000

"""Files of every form are read back as the vectors that went in, one or many for each text."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.values.test_codec_forms_are_exact import same

from bindery.encoders import Encoder
from bindery.errors import InvalidValue, UnknownFile
from bindery.jobs.results import COLUMNS
from bindery.jobs.writers import FORMATS
from bindery.library import Library
from bindery.vectors import Form, code, load
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.reading import SUFFIXES
from bindery.vectors.rotation import Rotation
from bindery.vectors.tables import NUMBER, TEXT, TEXTS, Table, TableRows

from .conftest import Run

WIDTH = 13  # a byte and five bits


def table(form: Form, *, many: bool) -> Table:
    return Table(COLUMNS, form, WIDTH, many, {"form": form, "dimensions": WIDTH})


def write_file(given: list[Embeddings], path: Path, of: Table) -> None:
    """Write texts with these vectors, each with a value in every column."""
    with path.open("wb") as sink:
        rows = [TableRows(columns(len(one)), code(one, of.form)) for one in given]
        FORMATS[path.suffix[1:]](rows, sink, of)


def columns(texts: int) -> dict[str, list]:
    values = {NUMBER: 1, TEXT: "text 製本", TEXTS: ["A", "B"]}
    return {
        column.name: [None if column.nullable else values[column.kind]] * texts
        for column in COLUMNS
    }


def batches(counts: list[list[int]]) -> list[Embeddings]:
    """Batches of texts with so many vectors each, a zero vector among them."""
    chance = np.random.default_rng(3)
    made = []
    for of_batch in counts:
        texts = [chance.normal(size=(rows, WIDTH)).astype(np.float32) for rows in of_batch]
        texts[0][:1] = 0
        made.append(Embeddings.ragged(texts, WIDTH))
    return made


def whole(given: list[Embeddings]) -> Embeddings:
    return Embeddings.ragged([one[i] for one in given for i in range(len(one))], WIDTH)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("many", "counts"),
    [
        (False, [[1, 1, 1], [1], [1, 1]]),
        (True, [[3, 0, 1], [2], [0], [1, 7]]),
        (True, [[1, 1]]),
        (False, []),
        (True, []),
    ],
)
def test_what_was_written_is_read_back(
    suffix: str, form: Form, many: bool, counts: list[list[int]], tmp_path: Path
):
    given = batches(counts)
    out = tmp_path / f"vectors{suffix}"
    write_file(given, out, table(form, many=many))

    assert same(load(out), code(whole(given), form))


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("many", [False, True])
def test_lines_of_json_hold_the_same_numbers(form: Form, many: bool, tmp_path: Path):
    given = batches([[1, 2, 0], [3]] if many else [[1, 1], [1]])
    out = tmp_path / "vectors.jsonl"
    write_file(given, out, table(form, many=many))
    records = [json.loads(line) for line in out.read_text().splitlines()]

    coded = code(whole(given), form)
    for place, record in enumerate(records):
        own = slice(coded.offsets[place], coded.offsets[place + 1])
        rows = record["embedding"] if many else [record["embedding"]]
        assert np.array_equal(np.array(rows, form.dtype).reshape(-1, form.columns(WIDTH)),
                              coded.values[own])  # fmt: skip
        assert ("scales" in record) == (form is Form.INT8)
        if coded.scales is not None:
            scales = record["scales"] if many else [record["scales"]]
            assert np.array_equal(np.array(scales, np.float32), coded.scales[own])


def test_the_command_takes_forms_lengths_and_rotations(
    run: Run, tmp_path: Path, library: Library, encoder: Encoder
):
    card, texts = encoder.card, ["Loose paper is fragile.", "", "製本"]
    sample = np.random.default_rng(1).normal(size=(400, card.dimensions)).astype(np.float32)
    rotation = Rotation.fit(Embeddings.dense(sample), model="vanilla", revision=card.revision)
    library.rotations.save("turned", rotation)
    out = tmp_path / "vectors.npz"
    result = run(
        "embed", "-", "--lines", "--out", out, "--form", "int8", "--dimensions", 100,
        "--rotation", "turned", input="\n".join(texts),
    )  # fmt: skip
    assert result.exit_code == 0, result.output

    expected = rotation.apply(encoder.encode(texts, "document")).cut(100)
    assert np.abs(load(out).decoded().rows - expected.rows).max() < 2e-3
    with np.load(out) as arrays:
        facts = json.loads(str(arrays["metadata"]))
        assert arrays["vectors"].dtype == np.int8
    assert {name: facts[name] for name in ("form", "dimensions", "rotation", "title")} == {
        "form": "int8", "dimensions": 100, "rotation": "turned", "title": None,
    }  # fmt: skip


def test_other_lengths_need_a_word(run: Run, encoder: Encoder):
    arguments = ("embed", "-", "--lines", "--json", "--dimensions", 100)
    refused = run(*arguments, input="x")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["param"] == "dimensions"

    result = run(*arguments, "--any-dimensions", input="x")
    assert result.exit_code == 0, result.output
    (chunk,) = json.loads(result.stdout)["chunks"]
    expected = encoder.encode(["x"], "document").cut(100).rows[0]
    np.testing.assert_allclose(chunk["embedding"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "param"),
    [(("--title", "On paper"), "titles"), (("--rotation", "nowhere"), "rotation")],
)
def test_what_a_model_does_not_know_is_told_before_reading(
    run: Run, arguments: tuple[str, str], param: str
):
    result = run("embed", "missing.txt", "--json", *arguments)
    assert result.exit_code == 2, result.output
    assert json.loads(result.stdout)["error"]["param"] == param


def test_files_of_the_first_version_are_float32(tmp_path: Path):
    rows = np.ones((2, 3), dtype=np.float32)
    out = tmp_path / "old.npz"
    metadata = json.dumps({"model": "vanilla", "dimensions": 3})
    np.savez(out, vectors=rows, offsets=np.arange(3), metadata=np.array(metadata))

    assert same(load(out).decoded(), Embeddings.dense(rows))


def test_what_holds_no_vectors_is_refused(tmp_path: Path):
    with pytest.raises(UnknownFile):
        load(tmp_path / "missing.npz")
    with pytest.raises(InvalidValue, match=r"\.txt"):
        load(tmp_path / "vectors.txt")
    for suffix in SUFFIXES:
        out = tmp_path / f"broken{suffix}"
        write_file(batches([[1]]), out, table(Form.INT8, many=False))
        out.write_bytes(out.read_bytes()[:-40])
        with pytest.raises(InvalidValue, match="does not hold vectors"):
            load(out)
        out.write_bytes(b"")
        with pytest.raises(InvalidValue, match="does not hold vectors"):
            load(out)
    spoilt = tmp_path / "spoilt.parquet"
    spoilt.write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    with pytest.raises(InvalidValue, match="does not hold vectors"):
        load(spoilt)
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    with pytest.raises(InvalidValue, match="does not hold vectors"):
        load(other)

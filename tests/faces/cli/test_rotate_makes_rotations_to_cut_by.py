"""``bindery rotate``: fitted on documents, lines or vectors, and used by ``bindery embed``."""

import json
from pathlib import Path

import numpy as np
import pytest

from bindery.encoders import Encoder
from bindery.library import Library

from .conftest import Run

NOUNS = ["paper", "shelf", "spine", "ink", "code", "chapter", "margin", "cover", "thread", "glue"]
VERBS = ["keeps", "names", "holds", "marks", "hides"]
LINES = [
    f"The {noun} {verb} the {other}."
    for noun in NOUNS
    for other in NOUNS
    for verb in VERBS
    if noun != other
]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More short texts than the model has dimensions."""
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def vectors(run: Run, lines: Path) -> Path:
    """Their vectors, as embed writes them."""
    out = lines.with_name("vectors.npz")
    result = run("embed", lines, "--lines", "--out", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def shelf(run: Run, vectors: Path) -> str:
    """A rotation fitted on all of them."""
    result = run("rotate", "fit", "shelf", vectors)
    assert result.exit_code == 0, result.output
    return "shelf"


def test_fit_tells_what_a_cut_keeps(run: Run, lines: Path, shelf: str, home: Path) -> None:
    result = run("rotate", "fit", "texts", lines, "--lines", "--json")

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    kept = told["energy_kept"]
    assert (told["name"], told["model"], told["dimensions"]) == ("texts", "vanilla", 384)
    assert told["texts"] == told["texts_sampled"] == told["fitted_on"] == len(LINES)
    assert [row["dimensions"] for row in kept] == [256, 192, 128, 96, 64]
    assert all(row["plain"] < row["rotated"] <= 1 for row in kept)
    of_texts, of_vectors = (Library(home).rotations.get(name) for name in ("texts", shelf))
    assert told["digest"] == of_texts.digest
    assert np.abs(of_texts.energy - of_vectors.energy).max() < 1e-5


def test_vectors_in_other_forms_do_as_well(run: Run, tmp_path: Path, shelf: str, home: Path):
    few, out = tmp_path / "few.txt", tmp_path / "vectors.parquet"
    few.write_text("\n".join(LINES[:400]), encoding="utf-8")
    assert run("embed", few, "--lines", "--out", out, "--form", "int8").exit_code == 0

    result = run("rotate", "fit", "int8", out, "--sample", 390)

    assert result.exit_code == 0, result.output
    assert "390 of 400 texts" in result.stdout
    assert Library(home).rotations.get("int8").fitted_on == 390


def test_embed_turns_by_it_and_cuts_to_any_length(
    run: Run, tmp_path: Path, shelf: str, home: Path, encoder: Encoder
) -> None:
    few = tmp_path / "few.txt"
    few.write_text("\n".join(LINES[:5]), encoding="utf-8")
    turned = Library(home).rotations.get(shelf).apply(encoder.encode(LINES[:5], "document"))

    for length, told in (([], "rotation 'shelf'"), (["--dimensions", 100], "dimensions 100")):
        out = tmp_path / f"vectors{len(length)}.npz"
        result = run("embed", few, "--lines", "-o", out, "--rotation", shelf, *length)
        assert result.exit_code == 0, result.output
        with np.load(out) as arrays:
            expected = turned.cut(100) if length else turned
            assert np.abs(arrays["vectors"] - expected.rows).max() < 1e-5
            about = json.loads(str(arrays["metadata"]))
        digest = Library(home).rotations.get(shelf).digest
        assert (about["rotation"], about["rotation_digest"]) == (shelf, digest)
        # None is fitted on vectors that another has turned, or that are cut.
        again = run("rotate", "fit", "again", out)
        assert again.exit_code == 2
        assert told in again.stderr


def test_a_line_says_by_what_its_vector_was_turned(run: Run, shelf: str) -> None:
    turned, plain = (
        json.loads(run("embed", "-", "--lines", *arguments, input="x").stdout)
        for arguments in (("--rotation", shelf), ())
    )
    assert turned["rotation"] == shelf
    assert plain["rotation"] is None


def test_documents_are_parsed_and_one_that_is_broken_is_told(
    run: Run, documents: Path, tmp_path: Path
) -> None:
    long = tmp_path / "long.txt"
    long.write_text("\n\n".join(LINES), encoding="utf-8")
    files = [long, documents / "broken.pdf"]

    result = run("rotate", "fit", "documents", *files, "--size", 8, "--sample", 390, "--json")

    assert result.exit_code == 4, result.output
    told = json.loads(result.stdout)
    assert [Path(one["file"]).name for one in told["failed"]] == ["broken.pdf"]
    assert told["fitted_on"] == 390 < told["texts"]


def test_too_few_texts_are_refused(run: Run, documents: Path) -> None:
    result = run("rotate", "fit", "few", documents / "long.md")

    assert result.exit_code == 2
    assert "too few to fit a rotation of 384 dimensions" in result.stderr


WRONG = [
    (["fit", "Shelf", "lines.txt"], 2, "name of a rotation"),
    (["fit", "shelf", "lines.txt"], 2, "already"),
    (["fit", "new", "lines.txt", "vectors.npz"], 2, "some are vectors"),
    (["fit", "new", "vectors.npz", "--model", "gemma"], 2, "model 'vanilla'"),
    (["fit", "new", "vectors.npz", "--model", "none"], 2, "no model 'none'"),
    (["fit", "new", "nowhere.npz"], 4, "nowhere.npz"),
    (["fit", "new", "nowhere.txt"], 2, "no text"),
    (["delete", "none"], 2, "no rotation 'none'"),
]


@pytest.mark.parametrize(("arguments", "code", "told"), WRONG)
def test_what_is_wrong_is_told(
    run: Run, vectors: Path, shelf: str, arguments: list[str], code: int, told: str
) -> None:
    folder = vectors.parent
    known = [folder / one if "." in one else one for one in arguments]

    result = run("rotate", *known, "--json")

    assert result.exit_code == code, result.output
    assert told in result.stderr
    assert told in json.loads(result.stdout)["error"]["message"]


def test_rotations_are_listed_and_deleted(run: Run, shelf: str, vectors: Path, home: Path) -> None:
    assert run("rotate", "fit", "brief", vectors).exit_code == 0
    listed = {
        one["name"]: one for one in json.loads(run("rotate", "list", "--json").stdout)["rotations"]
    }
    assert listed["brief"]["digest"] == listed[shelf]["digest"]
    assert "brief" in run("rotate", "list").stdout

    assert json.loads(run("rotate", "delete", "brief", "--json").stdout) == {"deleted": "brief"}

    assert "brief" not in run("rotate", "list").stdout
    assert run("rotate", "delete", "brief").exit_code == 2


def test_a_broken_rotation_does_not_hide_the_others(run: Run, shelf: str, home: Path) -> None:
    (home / "rotations" / "broken.safetensors").write_bytes(b"nothing")

    result = run("rotate", "list")
    told = json.loads(run("rotate", "list", "--json").stdout)

    assert result.exit_code == 0
    assert "broken" in result.stdout
    assert shelf in result.stdout
    assert [one["name"] for one in told["broken"]] == ["broken"]
    assert run("rotate", "delete", "broken").exit_code == 0


def test_a_home_without_rotations_says_so(run: Run, tmp_path: Path) -> None:
    assert "rotate fit" in run("rotate", "list", BINDERY_HOME=str(tmp_path)).stdout

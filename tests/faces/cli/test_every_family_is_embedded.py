"""``bindery preload`` and ``bindery embed`` with models of every family."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.faces.families import TINY, write_catalog

from bindery.library import Library
from bindery.models.catalog import read_catalog
from bindery.options import ModelOptions
from bindery.vectors import Form, code, load

from .conftest import Run

TEXT = "Loose paper is fragile and gets lost; a book has a place on a shelf. " * 40


@pytest.fixture(scope="module")
def settings(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a home with the tiny models in it."""
    home = tmp_path_factory.mktemp("home")
    catalog = write_catalog(home / "catalog.toml")
    variables = {"BINDERY_HOME": str(home), "BINDERY_CATALOG": str(catalog)}
    for name, folder in TINY.items():
        result = run("preload", name, "--from", folder, **variables)
        assert result.exit_code == 0, result.output
    return variables


@pytest.fixture(scope="module")
def library(settings: dict[str, str]) -> Library:
    """The same home, to compare with."""
    catalog = read_catalog(Path(settings["BINDERY_CATALOG"]))
    return Library(Path(settings["BINDERY_HOME"]), ModelOptions(precision="f32"), catalog=catalog)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", TINY)
def test_files_hold_the_vectors_of_the_model(
    run: Run, settings, library: Library, tmp_path: Path, name: str, form: Form, suffix: str
):
    lines = ["loose paper", "", "a book has a place on a shelf", "..."]
    out = tmp_path / f"vectors{suffix}"
    arguments = ("embed", "-", "--lines", "--model", name, "--form", form, "--out", out)
    result = run(*arguments, input="\n".join(lines), **settings)
    assert result.exit_code == 0, result.output

    expected = code(library.encoder(name).encode(lines, "document"), form)
    found = load(out)
    assert found.form is form
    assert np.array_equal(found.offsets, expected.offsets)
    difference = found.values.astype(float) - expected.values
    assert np.abs(difference).max() <= {Form.INT8: 1}.get(form, 0 if form.is_bits else 1e-3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gemma", ()),
        ("colbert", ()),
        ("gemma", ("--title", "A long title on paper, books, shelves and codes")),
        ("gemma", ("--role", "STS")),
        ("colbert", ("--role", "query")),
    ],
)
def test_chunks_leave_room_for_what_goes_before_them(
    run: Run, settings, name: str, arguments: tuple[str, ...]
):
    """By default a chunk fills the window, so a longer prompt, or a title, needs shorter ones."""
    result = run("embed", "-", "--model", name, "--json", *arguments, input=TEXT, **settings)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert len(answer["chunks"]) > 1
    assert [chunk["tokens_cut"] for chunk in answer["chunks"]] == [0] * len(answer["chunks"])
    assert max(chunk["tokens"] for chunk in answer["chunks"]) <= answer["size"]


def test_a_title_that_fills_the_window_is_refused(run: Run, settings):
    """All texts would have the same vector: none of their own tokens would be seen."""
    arguments = ("embed", "-", "--model", "gemma", "--json", "--title", "paper " * 70)
    result = run(*arguments, input=TEXT, **settings)
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["param"] == "titles"

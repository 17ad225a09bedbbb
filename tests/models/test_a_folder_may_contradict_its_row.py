"""A folder that is not what its row says is refused, and the user is told which may be wrong."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bindery.errors import InvalidValue, ModelBroken
from bindery.models.card import CatalogEntry, Family, Lengths, Pooling
from bindery.models.catalog import CATALOG, read_catalog
from bindery.models.layouts import read_layout

GOLDEN = Path(__file__).parent.parent / "golden"
BGE = GOLDEN / "tiny" / "bge"
COLBERT = GOLDEN / "late" / "stanford"


def _row(folder: Path, **changes: object) -> CatalogEntry:
    """A row that says of a tiny model what its folder says, but for the changes."""
    row = CATALOG["bge-small"]
    card = replace(
        read_layout(folder).card,
        id="tiny",
        query_max_tokens=None,
        repository=row.card.repository,
        revision=row.card.revision,
    )
    return replace(row, card=replace(card, **changes))


@pytest.mark.parametrize("folder", [BGE, COLBERT])
def test_a_row_that_agrees_gives_the_card_its_name(folder):
    card = read_layout(folder, entry=_row(folder)).card
    assert (card.id, card.repository) == ("tiny", "BAAI/bge-small-en-v1.5")


@pytest.mark.parametrize(
    ("folder", "changes"),
    [
        (BGE, {"dimensions": 7}),
        (BGE, {"max_tokens": 7}),
        (BGE, {"pooling": (Pooling.MEAN,)}),
        (BGE, {"normalised": False}),
        (BGE, {"dimensions": 7, "max_tokens": 7}),
        (COLBERT, {"max_tokens": 7}),
        (COLBERT, {"query_max_tokens": 7}),
    ],
)
def test_what_is_wrong_is_named_with_the_line_that_mends_it(folder, changes):
    truth = read_layout(folder).card
    with pytest.raises(ModelBroken, match="does not match the row of 'tiny'") as caught:
        read_layout(folder, entry=_row(folder, **changes))
    assert "never compared with the files on the hub" in caught.value.remedy
    assert "[models.tiny]" in caught.value.remedy
    assert "BINDERY_CATALOG" in caught.value.remedy
    for name in changes:
        assert name in caught.value.message
        # The line is TOML, and says what the folder does.
        (line,) = re.findall(rf"{name} = (?:\[.*?\]|[^,\s]+)", caught.value.remedy)
        value = tomllib.loads(line)[name]
        expected = getattr(truth, name)
        assert (tuple(value) if isinstance(value, list) else value) == expected
    for name in {"dimensions", "max_tokens", "pooling", "normalised"} - set(changes):
        assert f" {name} =" not in caught.value.remedy


def test_another_family_is_named():
    with pytest.raises(ModelBroken, match="late-interaction model") as caught:
        read_layout(COLBERT, entry=replace(_row(BGE)))
    assert 'family = "late-interaction"' in caught.value.remedy
    with pytest.raises(ModelBroken, match="describes a dense model"):
        read_layout(BGE, entry=_row(COLBERT))
    assert read_layout(BGE, entry=_row(BGE, family=Family.MATRYOSHKA)).card.id == "tiny"


def test_of_a_verified_row_the_files_are_what_is_wrong():
    entry = replace(_row(BGE, dimensions=7), verified=True)
    with pytest.raises(ModelBroken) as caught:
        read_layout(BGE, entry=entry)
    assert caught.value.remedy == "Run `bindery preload tiny --force`."


def test_a_row_may_give_other_lengths_than_the_model(tmp_path):
    row = _row(COLBERT)
    plain = read_layout(COLBERT, entry=row)
    longer = read_layout(COLBERT, entry=replace(row, lengths=Lengths(document=24)))
    shorter = read_layout(COLBERT, entry=replace(row, lengths=Lengths(query=12)))

    assert plain.late
    assert longer.late
    assert shorter.late
    assert longer.late.document_length == longer.card.max_tokens == 24
    assert longer.late.query_length == plain.late.query_length
    assert shorter.late.query_length == shorter.card.query_max_tokens == 12
    assert shorter.late.document_length == plain.late.document_length
    with pytest.raises(InvalidValue, match="dense"):
        read_layout(BGE, entry=replace(_row(BGE), lengths=Lengths(query=12)))


def test_the_catalog_file_takes_lengths(tmp_path):
    row = _row(COLBERT).card
    path = tmp_path / "models.toml"
    path.write_text(
        f'[models.tiny]\nfamily = "late-interaction"\nrepository = "{row.repository}"\n'
        f'revision = "{row.revision}"\ndimensions = 16\nmax_tokens = {row.max_tokens}\n'
        'pooling = "tokens"\ndocument_length = 300\n'
    )
    entry = read_catalog(path)["tiny"]
    assert isinstance(entry, CatalogEntry)
    assert entry.lengths == Lengths(document=300)

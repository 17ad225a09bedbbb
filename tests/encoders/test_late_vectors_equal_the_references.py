"""Parity with sentence-transformers 6.2 and colbert-ai 0.2.22, in three layouts.

Token ids and which vectors are kept exactly, vectors within 1e-5, MaxSim within 1e-4.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.encoders.late_checkpoints import (
    LATE,
    ROLES,
    SPECIAL_TEXTS,
    TEXTS,
    VARIANTS,
    Golden,
    folder_of,
    golden,
    late_encoder,
    scores,
)

from bindery.encoders.late import LateEncoder
from bindery.encoders.loading import load_encoder
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import maxsim

ORDINARY = list(TEXTS.values())
ALL = [*ORDINARY, *SPECIAL_TEXTS.values()]
STANFORD = [name for name, variant in VARIANTS.items() if variant["checkpoint"] == "stanford"]


def assert_same_tokens(
    encoder: LateEncoder, texts: Sequence[str], role: str, expected: Golden, *, attends: bool
) -> None:
    tokens = encoder.tokeniser.tokenise(texts, role)

    assert [text.ids.tolist() for text in tokens] == expected.ids
    assert [encoder.tokeniser.kept(text, role).tolist() for text in tokens] == expected.kept
    attended = [len(text) - (0 if attends else text.expansion) for text in tokens]
    assert [sum(text) for text in expected.attended] == attended


def in_any_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.round(3).T)]


def assert_same_vectors(
    embeddings: Embeddings, expected: Sequence[np.ndarray], *, pooled: bool = False
) -> None:
    assert len(embeddings) == len(expected)
    order = in_any_order if pooled else np.asarray  # clusters have no order that means something
    for place, rows in enumerate(expected):
        assert embeddings[place].shape == rows.shape
        assert np.abs(order(embeddings[place]) - order(rows)).max() <= 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_sentence_transformers_gives_the_same(variant: str, tmp_path: Path) -> None:
    layout = read_layout(folder_of(variant, tmp_path))
    encoder = late_encoder(layout)
    attends = bool(layout.late and layout.late.attends_to_expansion)
    for role in ROLES:
        expected = golden("late", variant, role)
        pooled = "pooled" in variant and role == "document"
        assert_same_tokens(encoder, ORDINARY, role, expected, attends=attends)
        assert_same_vectors(encoder.encode(ORDINARY, role), expected.vectors, pooled=pooled)
        apart = [encoder.encode([text], role)[0] for text in ORDINARY]
        together = Embeddings.ragged(apart, encoder.card.dimensions)
        assert_same_vectors(together, expected.vectors, pooled=pooled)

    found = maxsim(encoder.encode(ORDINARY, "query"), encoder.encode(ORDINARY, "document"))
    assert np.abs(found - scores("late", variant)).max() <= 1e-4
    encoder.close()


@pytest.mark.parametrize("variant", STANFORD)
def test_colbert_ai_gives_the_same(variant: str, tmp_path: Path) -> None:
    """Texts that spell special tokens out are read as colbert-ai reads them when asked to."""
    layout = read_layout(folder_of(variant, tmp_path))
    encoder = late_encoder(layout, reads_special_tokens=True)
    attends = bool(layout.late and layout.late.attends_to_expansion)
    for role in ROLES:
        expected = golden("colbert_ai", variant, role)
        assert_same_tokens(encoder, ALL, role, expected, attends=attends)
        assert_same_vectors(encoder.encode(ALL, role), expected.vectors)

    found = maxsim(encoder.encode(ALL, "query"), encoder.encode(ALL, "document"))
    assert np.abs(found - scores("colbert_ai", variant)).max() <= 1e-4
    encoder.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("text", ["literal [unused1]", *TEXTS])
def test_colbert_ai_never_reads_a_marker_in_a_text(text: str, role: str) -> None:
    """It puts markers by their ids, and so does the default: "[unused1]" is ordinary text."""
    encoder = late_encoder(LATE / "stanford")
    place = [*TEXTS, *SPECIAL_TEXTS].index(text)
    expected = golden("colbert_ai", "stanford", role)

    tokens = encoder.tokeniser.tokenise([ALL[place]], role)
    encoder.close()

    assert tokens[0].ids.tolist() == expected.ids[place]


@pytest.mark.parametrize("name", ["stanford", "pylate", "modernbert", "native"])
def test_every_checkpoint_loads_by_itself(name: str) -> None:
    encoder = load_encoder(read_layout(LATE / name), ModelOptions(precision="f32", threads=1))
    expected = golden("late", name, "document")

    assert isinstance(encoder, LateEncoder)
    assert_same_vectors(encoder.encode(ORDINARY, "document"), expected.vectors)
    encoder.close()


def test_the_checkpoints_are_all_tried() -> None:
    folders = {path.name for path in LATE.iterdir() if path.is_dir()}

    assert folders == {variant["checkpoint"] for variant in VARIANTS.values()}

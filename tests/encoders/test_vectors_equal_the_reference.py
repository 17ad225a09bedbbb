"""Parity with sentence-transformers 6.2: token ids exactly, vectors within rounding."""

import json
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions

GOLDEN = Path(__file__).parent.parent / "golden"
TEXTS: list[str] = list(
    json.loads((GOLDEN / "all-minilm-l6-v2.json").read_text(encoding="utf-8"))["texts"].values()
)
REFERENCE = np.load(GOLDEN / "all-minilm-l6-v2.npz")
TINY = json.loads((GOLDEN / "tiny.json").read_text(encoding="utf-8"))
TINY_REFERENCE = np.load(GOLDEN / "tiny.npz")


def _ragged(values: np.ndarray, offsets: np.ndarray) -> list[list[int]]:
    return [values[a:b].tolist() for a, b in pairwise(offsets)]


@pytest.fixture(scope="module")
def encoder(minilm_folder: Path, precision: str) -> Generator[DenseEncoder]:
    encoder = load_encoder(read_layout(minilm_folder), ModelOptions(precision=precision))
    yield encoder
    encoder.close()


def _assert_close(rows: np.ndarray, reference: np.ndarray, precision: str) -> None:
    assert np.isfinite(rows).all()
    if precision == "f32":
        assert np.abs(rows - reference).max() <= 1e-5
        return
    cosines = (rows * reference).sum(axis=1) / (
        np.linalg.norm(rows, axis=1) * np.linalg.norm(reference, axis=1)
    )
    assert cosines.min() >= 0.999
    assert cosines.mean() >= 0.9998


def test_token_ids_are_exact(minilm: DenseEncoder) -> None:
    tokens = minilm.tokeniser.tokenise(TEXTS, "document")

    assert [text.ids.tolist() for text in tokens] == _ragged(REFERENCE["ids"], REFERENCE["offsets"])
    assert [len(text) + text.cut for text in tokens] == REFERENCE["untruncated"].tolist()


def test_one_batch_of_every_text(encoder: DenseEncoder, precision: str) -> None:
    encoded = encoder.encode_counted(TEXTS, "document")

    _assert_close(encoded.embeddings.rows, REFERENCE["vectors"], precision)
    norms = np.linalg.norm(encoded.embeddings.rows, axis=1)
    assert np.abs(norms - 1).max() <= 1e-3
    assert encoded.tokens_used.tolist() == REFERENCE["attended"].tolist()
    used_and_cut = encoded.tokens_used + encoded.tokens_cut
    assert used_and_cut.tolist() == REFERENCE["untruncated"].tolist()


def test_every_text_by_itself(encoder: DenseEncoder, precision: str) -> None:
    rows = np.concatenate([encoder.encode([text], "document").rows for text in TEXTS])

    _assert_close(rows, REFERENCE["vectors"], precision)


def test_batches_equal_their_texts_one_by_one(encoder: DenseEncoder, precision: str) -> None:
    together = encoder.encode(TEXTS, "document").rows
    apart = np.concatenate([encoder.encode([text], "document").rows for text in TEXTS])

    if precision == "f32":
        assert np.abs(together - apart).max() <= 1e-5
    else:
        assert (together * apart).sum(axis=1).min() >= 0.999


@pytest.mark.slow
@given(order=st.permutations(range(len(TEXTS))))
@settings(max_examples=8, deadline=None)
def test_any_order_gives_the_same_vectors(minilm: DenseEncoder, order: list[int]) -> None:
    rows = minilm.encode([TEXTS[place] for place in order], "document").rows

    assert np.abs(rows - REFERENCE["vectors"][order]).max() <= 1e-5


@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("name", list(TINY["checkpoints"]))
def test_any_bert_checkpoint(name: str, role: str) -> None:
    layout = read_layout(GOLDEN / "tiny" / name)
    encoder = load_encoder(layout, ModelOptions(precision="f32", threads=1))
    texts = list(TINY["texts"].values())
    golden = {key: TINY_REFERENCE[f"{name}/{role}/{key}"] for key in ("ids", "offsets", "vectors")}

    tokens = encoder.tokeniser.tokenise(texts, role)
    encoded = encoder.encode_counted(texts, role)
    encoder.close()

    assert [text.ids.tolist() for text in tokens] == _ragged(golden["ids"], golden["offsets"])
    assert np.abs(encoded.embeddings.rows - golden["vectors"]).max() <= 1e-5
    untruncated = TINY_REFERENCE[f"{name}/{role}/untruncated"]
    assert (encoded.tokens_used + encoded.tokens_cut).tolist() == untruncated.tolist()
    assert layout.card.max_tokens == TINY["checkpoints"][name]["max_seq_length"]


def test_the_tiny_checkpoints_are_all_tried() -> None:
    folders = {path.name for path in (GOLDEN / "tiny").iterdir() if path.is_dir()}

    assert folders == set(TINY["checkpoints"])

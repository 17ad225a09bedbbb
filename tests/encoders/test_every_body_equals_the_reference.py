"""Whole dense folders of every body, each with its family's tokeniser: parity with the reference.

sentence-transformers 6.2 made the golden files; see tests/golden/make_pipelines.py.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.models.card import BeforeCut
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions

GOLDEN = Path(__file__).parent.parent / "golden"
RECORD = json.loads((GOLDEN / "pipelines.json").read_text(encoding="utf-8"))
REFERENCE = np.load(GOLDEN / "pipelines.npz")
TEXTS: dict[str, str] = RECORD["texts"]
STATES: list[str] = RECORD["states"]
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=list(RECORD["checkpoints"]))
def encoder(request: pytest.FixtureRequest) -> Iterator[DenseEncoder]:
    layout = read_layout(GOLDEN / "pipelines" / request.param)
    if request.param == "nomic":  # no file of the folder says so: it is a fact of the row
        layout = replace(layout, card=replace(layout.card, before_cut=BeforeCut.LAYER_NORM))
    encoder = load_encoder(layout, ModelOptions(precision="f32", threads=1))
    assert isinstance(encoder, DenseEncoder)
    yield encoder
    encoder.close()


@pytest.mark.parametrize("role", ["query", "document"])
def test_ids_are_exact_and_vectors_near(encoder: DenseEncoder, role: str) -> None:
    name, texts = encoder.card.id, list(TEXTS.values())
    golden = {key: REFERENCE[f"{name}/{role}/{key}"] for key in ("ids", "offsets", "vectors")}
    expected = [golden["ids"][a:b].tolist() for a, b in pairwise(golden["offsets"])]

    assert [tokens.ids.tolist() for tokens in encoder.tokeniser.tokenise(texts, role)] == expected
    encoded = encoder.encode_counted(texts, role)
    assert np.abs(encoded.embeddings.rows - golden["vectors"]).max() <= TOLERANCE
    untruncated = REFERENCE[f"{name}/{role}/untruncated"]
    assert (encoded.tokens_used + encoded.tokens_cut).tolist() == untruncated.tolist()
    assert encoder.card.max_tokens == RECORD["checkpoints"][name]["max_seq_length"]


def test_cuts_are_as_the_authors_say(encoder: DenseEncoder) -> None:
    prefix = f"{encoder.card.id}/document/cut/"
    for key in REFERENCE.files:
        if key.startswith(prefix):
            size = int(key.removeprefix(prefix))
            found = encoder.encode(
                list(TEXTS.values()), "document", dimensions=size, any_dimensions=True
            )
            assert np.abs(found.rows - REFERENCE[key]).max() <= TOLERANCE


def test_tokens_are_the_states_before_pooling(encoder: DenseEncoder) -> None:
    """The reference's hidden states without special tokens and prompt, each of length 1."""
    texts = [TEXTS[name] for name in STATES]
    states = REFERENCE[f"{encoder.card.id}/document/states"]
    states = states / np.linalg.norm(states, axis=1, keepdims=True)
    places = np.cumsum(
        [0, *(len(tokens) for tokens in encoder.tokeniser.tokenise(texts, "document"))]
    )

    found = encoder.encode_tokens(texts, "document")

    assert len(states) == places[-1]
    for place, (text, tokens) in enumerate(
        zip(texts, encoder.tokeniser.tokenise(texts, "document"), strict=True)
    ):
        start, end = tokens.text
        expected = states[places[place] + start : places[place] + end]
        assert len(expected) == encoder.tokeniser.count_tokens([text])[0]
        assert np.abs(found.tokens[place] - expected).max(initial=0) <= TOLERANCE
    assert found.pooled is not None
    pooled = encoder.encode(texts, "document").rows
    assert np.abs(found.pooled.rows - pooled).max() <= TOLERANCE


def test_every_folder_is_tried() -> None:
    folders = {path.name for path in (GOLDEN / "pipelines").iterdir()}

    assert folders == set(RECORD["checkpoints"])

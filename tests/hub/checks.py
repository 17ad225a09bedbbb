"""What is asked of a row whose files come from a hub, and the scores that others published.

The scores are those of sentence-transformers' own tests of pretrained models
(tests/sentence_transformer/test_pretrained.py and tests/multi_vector_encoder/test_pretrained.py,
with PyLate's scores in the latter), of PyLate's tests, and of EmbeddingGemma's card.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bindery.encoders import Encoder
from bindery.encoders.loading import load_encoder
from bindery.models.cache import locate
from bindery.models.card import CatalogEntry, Family
from bindery.models.layouts import read_layout
from bindery.models.preload import preload
from bindery.models.sources import Source
from bindery.options import ModelOptions
from bindery.vectors.scoring import cosine, maxsim

PLANETS = (
    "Which planet is known as the Red Planet?",
    [
        "Venus is often called Earth's twin because of its similar size and proximity.",
        "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
        "Jupiter, the largest planet in our solar system, has a prominent red spot.",
        "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
    ],
)
FRUITS = ("fruits are healthy.", ["fruits are healthy.", "fruits are good for health."])


class Published(NamedTuple):
    """What a model scores documents for a query, and how far off a score may be."""

    query: str
    documents: list[str]
    scores: list[float]
    off: float


def _cosines(*scores: float) -> Published:
    # Their own tests allow 0.01; in float32 on both sides it is far less.
    return Published(*PLANETS, list(scores), 0.002)


def _maxsims(*scores: float) -> Published:
    # Theirs: 0.001 and a thousandth of the score.
    return Published(*PLANETS, list(scores), 0.02)


PUBLISHED = {
    "vanilla": [_cosines(0.46469, 0.81146, 0.72792, 0.75019)],
    "gemma": [_cosines(0.3011, 0.6359, 0.4930, 0.4889)],
    "bge-small": [_cosines(0.60098, 0.8291, 0.77927, 0.70905)],
    "bge-base": [_cosines(0.56823, 0.85511, 0.73461, 0.69612)],
    "e5-small": [_cosines(0.81278, 0.91429, 0.86806, 0.87815)],
    "multilingual-e5-small": [_cosines(0.81146, 0.90638, 0.87144, 0.85721)],
    "arctic-m": [_cosines(0.29498, 0.46004, 0.37611, 0.37525)],
    "mpnet": [_cosines(0.46544, 0.7783, 0.69194, 0.70103)],
    "nomic": [_cosines(0.65113, 0.88814, 0.79888, 0.81393)],
    "qwen3": [_cosines(0.48113, 0.69014, 0.58377, 0.66434)],
    "colbert": [_maxsims(12.79703, 27.19449, 23.8495, 24.56564)],
    "answerai-colbert": [
        _maxsims(30.56916, 31.48954, 31.30291, 31.30716),
        Published(*FRUITS, [31.71, 31.64], 0.02),
    ],
    "gte-moderncolbert": [_maxsims(11.25772, 11.51133, 11.34575, 11.4518)],
    "lateon": [_maxsims(10.79417, 11.11042, 10.97427, 11.08107)],
    "mxbai-edge-colbert-17m": [_maxsims(11.56932, 11.75844, 11.70989, 11.72288)],
}


def fetched(entry: CatalogEntry, home: Path, source: Source) -> Path:
    """The verified folder of a model; what is there already is not fetched again."""
    (outcome,) = preload([entry], home, [source])
    if outcome.error is not None:
        raise outcome.error
    return locate(entry, home)


def check_row(entry: CatalogEntry, folder: Path) -> None:
    """The row agrees with its files, and the model with itself and with its card."""
    card = entry.card
    encoder = load_encoder(read_layout(folder, entry=entry), ModelOptions(precision="f32"))
    try:
        _, documents = PLANETS
        found = encoder.encode(documents, "document")
        assert found.width == card.dimensions
        assert found.is_dense == (card.family is not Family.LATE_INTERACTION)
        assert np.isfinite(found.rows).all()
        if card.normalised:
            np.testing.assert_allclose(np.linalg.norm(found.rows, axis=1), 1, atol=1e-5)

        for number, document in enumerate(documents):
            alone = encoder.encode([document], "document")
            np.testing.assert_allclose(alone[0], found[number], atol=1e-4)
        for dimensions in card.nested_dimensions:
            cut = encoder.encode(documents, "document", dimensions)
            assert cut.width == dimensions
            np.testing.assert_allclose(np.linalg.norm(cut.rows, axis=1), 1, atol=1e-5)
    finally:
        encoder.close()


def check_sense(entry: CatalogEntry, folder: Path) -> None:
    """With the prompts of its row the model finds the right document."""
    query, documents = PLANETS
    encoder = load_encoder(read_layout(folder, entry=entry), ModelOptions(precision="f32"))
    try:
        best = _scores(encoder, query, documents).argmax()
    finally:
        encoder.close()
    assert "Mars" in documents[best], f"{entry.id} prefers {documents[best]!r}"


def check_published(folder: Path, published: Published) -> None:
    """The model gives the scores that were published, with the prompts of its own files."""
    # Not of the row: the reference knows only what the folder says.
    encoder = load_encoder(read_layout(folder), ModelOptions(precision="f32"))
    try:
        found = _scores(encoder, published.query, published.documents)
    finally:
        encoder.close()
    np.testing.assert_allclose(found, published.scores, atol=published.off, rtol=0)


def _scores(encoder: Encoder, query: str, documents: list[str]) -> npt.NDArray[np.float32]:
    score = maxsim if encoder.card.family is Family.LATE_INTERACTION else cosine
    return score(encoder.encode([query], "query"), encoder.encode(documents, "document"))[0]

"""Load a model from its folder and run its self-test, with known answers.

A model with other numbers than the reference is not used. ``known/<model id>.json`` contains texts
with their token ids and vectors from sentence-transformers in float32;
``tests/golden/make_known.py`` writes it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import orjson

from bindery.encoders.base import Encoder
from bindery.encoders.checks import check_precision
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.late import LateEncoder
from bindery.engines import Engine
from bindery.engines.selection import open_engine
from bindery.errors import BinderyError, SelfTestFailed
from bindery.models.layouts import Layout
from bindery.options import ModelOptions
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import maxsim

# all-MiniLM's worst text in bfloat16, which keeps 8 bits of mantissa, is at 0.9998 of 60 texts, and
# in int8 at 0.9906 of 5,483; float32 only differs in the last bits.
_LEAST_COSINE = {"f32": 0.99999, "bf16": 0.999, "int8": 0.985}
_LEAST_COSINE_ELSE = 0.98


def load_encoder(
    layout: Layout,
    options: ModelOptions = ModelOptions(),
    *,
    queue_tokens: int | None = None,
) -> Encoder:
    """Load a model, and compare its vectors with those of the reference if they are known.

    ``queue_tokens`` is how many tokens may wait, None for no limit: a service should set it, so
    that it refuses requests instead of letting all of them wait. Raises ModelBroken,
    UnsupportedModel, SelfTestFailed, and InvalidValue for an unknown option.
    """
    precision = check_precision(layout, options.precision)
    body = open_engine(layout.body, replace(options, precision=precision))
    try:
        encoder = encoder_over(layout, body, queue_tokens=queue_tokens)
    except BinderyError:
        body.close()
        raise
    try:
        self_test(encoder)
    except BinderyError:
        encoder.close()
        raise
    return encoder


def encoder_over(
    layout: Layout, engine: Engine, *, queue_tokens: int | None = None
) -> DenseEncoder | LateEncoder:
    """The encoder for a layout and an engine with its body, without a self-test."""
    encoder = DenseEncoder if layout.late is None else LateEncoder
    return encoder(layout, engine, queue_tokens=queue_tokens)


@dataclass(frozen=True, slots=True, eq=False)
class KnownAnswer:
    """A text with a role, and its token ids (s,) and vectors (r, d) float32 in the reference.

    A dense model has one vector, a late-interaction model one per kept token.
    """

    text: str
    role: str
    token_ids: Sequence[int]
    vectors: npt.NDArray[np.float32]


def known_answers(model_id: str) -> list[KnownAnswer]:
    """The known answers of a model of the catalog; empty for other models."""
    path = files("bindery.encoders") / "known" / f"{model_id}.json"
    if not path.is_file():
        return []
    return [
        KnownAnswer(
            text=answer["text"],
            role=answer["role"],
            token_ids=answer["token_ids"],
            vectors=np.frombuffer(base64.b64decode(answer["vector"]), dtype="<f4").reshape(
                answer.get("rows", 1), -1
            ),
        )
        for answer in orjson.loads(path.read_bytes())["answers"]
    ]


def self_test(encoder: Encoder) -> None:
    """Raise SelfTestFailed unless the encoder gives the known answers."""
    card = encoder.card
    # A user's folder may have any name; only models of the catalog have a revision.
    answers = known_answers(card.id) if card.revision else []
    for answer in answers:
        check(encoder, answer)


def check(encoder: Encoder, answer: KnownAnswer) -> None:
    """Raise SelfTestFailed unless the encoder gives this answer."""
    ids = encoder.tokeniser.tokenise([answer.text], answer.role)[0].ids.tolist()
    if ids != list(answer.token_ids):
        raise _failed(encoder, answer, f"its token ids are {ids}, not {answer.token_ids}")
    found = encoder.encode([answer.text], answer.role)
    if len(found.rows) != len(answer.vectors):
        reason = f"it has {len(found.rows)} vectors, not {len(answer.vectors)}"
        raise _failed(encoder, answer, reason)

    expected = Embeddings.ragged([answer.vectors], found.width).normalised()
    # MaxSim of two single rows is their cosine, so this also works for dense models.
    likeness = float(maxsim(expected, found.normalised())[0, 0]) / len(answer.vectors)
    if not likeness >= _LEAST_COSINE.get(encoder.precision, _LEAST_COSINE_ELSE):
        reason = f"its cosine to the reference is {likeness:.6f}"
        raise _failed(encoder, answer, reason)


def _failed(encoder: Encoder, answer: KnownAnswer, reason: str) -> SelfTestFailed:
    return SelfTestFailed(
        f"{encoder.card.id} fails its self-test in {encoder.precision}: for {answer.text!r} "
        f"{reason}.",
        remedy=f"Run `bindery preload {encoder.card.id} --force`; if it fails again, try another "
        "precision.",
    )

"""Known answers: a model whose numbers are not the reference's never answers.

``known/<model id>.json`` holds texts with the token ids and vectors that sentence-transformers
gives for them in float32; ``tests/golden/make_known.py`` writes it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import orjson

from bindery.embeddings import Embeddings
from bindery.encoders.dense import DenseEncoder
from bindery.errors import SelfTestFailed
from bindery.scoring import cosine

# bfloat16 keeps 8 bits of mantissa: all-MiniLM's worst text of 60 is at 0.9998. Float32 differs in
# the last bits alone.
_LEAST_COSINE = {"f32": 0.99999, "bf16": 0.999}


@dataclass(frozen=True, slots=True, eq=False)
class KnownAnswer:
    """A text in a role, and the reference's token ids (s,) and vector (d,) float32 for it."""

    text: str
    role: str
    token_ids: Sequence[int]
    vector: npt.NDArray[np.float32]


def known_answers(model_id: str) -> list[KnownAnswer]:
    """The answers known for a model of the catalog; none for a model of the user's own."""
    path = files("bindery.encoders") / "known" / f"{model_id}.json"
    if not path.is_file():
        return []
    return [
        KnownAnswer(
            text=answer["text"],
            role=answer["role"],
            token_ids=answer["token_ids"],
            vector=np.frombuffer(base64.b64decode(answer["vector"]), dtype="<f4"),
        )
        for answer in orjson.loads(path.read_bytes())["answers"]
    ]


def self_test(encoder: DenseEncoder) -> None:
    """Raise SelfTestFailed unless the encoder gives the known answers."""
    # A folder of the user's own may bear any name; only the catalog's models have a revision.
    answers = known_answers(encoder.card.id) if encoder.card.revision else []
    for answer in answers:
        ids = encoder.tokenise([answer.text], answer.role)[0].ids.tolist()
        if ids != list(answer.token_ids):
            raise _failed(encoder, answer, f"its token ids are {ids}, not {answer.token_ids}")
        found = encoder.encode([answer.text], answer.role)
        likeness = float(cosine(found, Embeddings.dense(answer.vector[None]))[0, 0])
        if not likeness >= _LEAST_COSINE[encoder.precision]:
            raise _failed(encoder, answer, f"its cosine to the reference is {likeness:.6f}")


def _failed(encoder: DenseEncoder, answer: KnownAnswer, reason: str) -> SelfTestFailed:
    return SelfTestFailed(
        f"{encoder.card.id} fails its self-test in {encoder.precision}: for {answer.text!r} "
        f"{reason}.",
        remedy=f"Run `bindery preload {encoder.card.id} --force`; if it fails again, try another "
        "precision.",
    )

"""Texts in, prebuilt bytes out: what both embedding routes do, off the event loop."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import orjson

from bindery.embeddings import Embeddings
from bindery.encoders.base import Encoded, Encoder
from bindery.errors import InvalidValue, TextTooLong
from bindery.faces.http.shapes import MAX_TEXTS
from bindery.library import Library
from bindery.models.card import Family, ModelCard


@dataclass(frozen=True, slots=True)
class Wish:
    """How texts are to be encoded."""

    role: str
    dimensions: int | None
    truncate: str


def encode(
    library: Library, model_id: str, texts: list[str], wish: Wish
) -> tuple[Encoder, Encoded]:
    """Encode texts in order; the encoder batches them with those of other requests.

    Raises what :meth:`bindery.library.Library.encoder` and the encoder do, and TextTooLong where
    cutting is refused.
    """
    encoder = library.encoder(model_id)
    encoded = encoder.encode_counted(texts, wish.role, wish.dimensions)
    if wish.truncate == "error" and encoded.tokens_cut.any():
        place = int(np.flatnonzero(encoded.tokens_cut)[0])
        used, cut = int(encoded.tokens_used[place]), int(encoded.tokens_cut[place])
        raise TextTooLong(
            f"Text {place} has {used + cut} tokens, special tokens and prompt included; "
            f"{model_id} takes {encoder.card.max_tokens}.",
            remedy='Send shorter chunks, or "truncate": "end" to have it cut.',
            param="truncate",
        )
    return encoder, encoded


def vectors(
    card: ModelCard, embeddings: Embeddings, *, encoding_format: str, preview: int | None = None
) -> list[object]:
    """One entry for each text, as :func:`to_json` writes it.

    A dense model gives a row of values, a late-interaction model one of vectors; ``preview``
    leaves the first so many of them.
    """
    texts = [embeddings[place] for place in range(len(embeddings))]
    if card.family is not Family.LATE_INTERACTION:
        texts = [rows[0] for rows in texts]
    write = _FORMATS[encoding_format]
    return [write(text[:preview]) for text in texts]


def to_json(value: Mapping[str, object]) -> bytes:
    """JSON, arrays of float32 written directly: no lists, no models in between."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def check_texts(items: list[Any], param: str) -> list[str]:
    """The items, all of them texts. Raises InvalidValue that names the first that is not."""
    if len(items) > MAX_TEXTS:
        raise InvalidValue(
            f"{param} holds {len(items)} texts; the most for one request is {MAX_TEXTS}.",
            remedy="Send them in several requests.",
            param=param,
        )
    for place, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidValue(
                f"{param}[{place}] is not a text.", remedy="Send strings.", param=param
            )
    return cast("list[str]", items)


def _floats(array: npt.NDArray[np.float32]) -> object:
    return array


def _base64(array: npt.NDArray[np.float32]) -> object:
    return b64encode(array.astype("<f4", copy=False).tobytes()).decode("ascii")


_FORMATS: Mapping[str, Callable[[npt.NDArray[np.float32]], object]] = {
    "float": _floats,
    "base64": _base64,
}

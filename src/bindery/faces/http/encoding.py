"""Texts in, prebuilt bytes out: what the routes that answer with vectors do, off the event loop."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import orjson

from bindery.codec import Form, code, to_wire
from bindery.encoders.base import UNKNOWN, Counts, Encoded, Encoder
from bindery.errors import InvalidValue, TextTooLong
from bindery.faces.http.shapes import MAX_TEXTS, OutputDtype, VectorsBody
from bindery.library import Library
from bindery.models.card import Family

TRUNCATED = "x-bindery-truncated-tokens"
"""The header that says how many tokens of the request the model did not see."""

_FORMS: Mapping[OutputDtype, Form] = {
    "float": Form.FLOAT32,  # as Voyage calls it
    "float32": Form.FLOAT32,
    "float16": Form.FLOAT16,
    "int8": Form.INT8,
    "binary": Form.BINARY,
    "ubinary": Form.UBINARY,
}


def encode(
    library: Library,
    model_id: str,
    texts: Sequence[str],
    role: str,
    wish: VectorsBody,
    titles: Sequence[str | None] | None,
) -> tuple[Encoder, Encoded]:
    """Encode texts in order; the encoder batches them with those of other requests.

    Raises what :meth:`bindery.library.Library.embed` does, and TextTooLong where cutting is
    refused.
    """
    encoder, encoded = library.embed(
        model_id,
        texts,
        role,
        dimensions=wish.dimensions,
        any_dimensions=wish.any_dimensions,
        rotation=wish.rotation,
        titles=titles,
    )
    too_long = np.flatnonzero(encoded.tokens_cut > 0)
    if wish.truncate == "error" and len(too_long):
        place = int(too_long[0])
        used, cut = int(encoded.tokens_used[place]), int(encoded.tokens_cut[place])
        raise TextTooLong(
            f"Text {place} has {used + cut} tokens, special tokens and prompt included; "
            f"{model_id} takes {used}.",
            remedy='Send shorter chunks, or "truncate": "end" to have it cut.',
            param="truncate",
        )
    return encoder, encoded


def vector_fields(
    encoder: Encoder, encoded: Encoded, wish: VectorsBody, *, first: int | None = None
) -> dict[str, Any]:
    """The fields of an answer that hold vectors, and those that say what made them.

    ``first`` shows so many values of each vector, or so many vectors of each text where a model
    gives several.
    """
    form = _FORMS[wish.output_dtype]
    coded = code(encoded.embeddings, form)
    return {
        "revision": encoder.card.revision,
        "precision": encoder.precision,
        "dimensions": coded.dimensions,
        "output_dtype": form,
        "rotation": wish.rotation,
        **to_wire(
            coded,
            nested=encoder.card.family is Family.LATE_INTERACTION,
            base64=wish.encoding_format == "base64",
            first=first,
        ),
    }


def known(counts: Counts) -> Counts | list[int | None]:
    """Counts of tokens as an answer gives them: null where a remote vendor does not tell."""
    if (counts >= 0).all():
        return counts
    return [None if count < 0 else count for count in counts.tolist()]


def usage(total_tokens: int) -> dict[str, int | None]:
    """The tokens of all texts together, as OpenAI's answers give them; null where not known."""
    tokens = None if total_tokens == UNKNOWN else total_tokens
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def truncation(cut: Counts) -> dict[str, str]:
    """The header that tells how many tokens were cut; none where that is not known."""
    return {TRUNCATED: str(int(cut.sum()))} if (cut >= 0).all() else {}


def to_json(value: Mapping[str, object]) -> bytes:
    """JSON, arrays of numbers written directly: no lists, no models in between."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def check_texts(items: list[Any], param: str, *, most: int = MAX_TEXTS) -> list[str]:
    """The items, all of them texts. Raises InvalidValue that names the first that is not."""
    if len(items) > most:
        raise InvalidValue(
            f"{param} holds {len(items)} texts; the most for one request is {most}.",
            remedy="Send them in several requests.",
            param=param,
        )
    for place, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidValue(
                f"{param}[{place}] is not a text.", remedy="Send strings.", param=param
            )
    return cast("list[str]", items)


def renamed(error: InvalidValue, names: Mapping[str, str]) -> InvalidValue:
    """The same error, with the field at fault called as the route calls it."""
    param = names.get(error.param or "", error.param)
    return InvalidValue(error.message, remedy=error.remedy, param=param)

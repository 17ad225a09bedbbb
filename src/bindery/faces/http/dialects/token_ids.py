"""Token ids to texts: a model reads texts alone, as another vocabulary's ids mean other words.

Nine of ten ids that OpenAI's clients send are ids of all-MiniLM's vocabulary, too, of words that
have nothing to do with them: taken as they are they would give vectors of other texts, unnoticed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import InvalidValue
from bindery.faces.http.dialects import cl100k


class TokenInput(StrEnum):
    """Whose ids clients send: OpenAI's, the model's own, or none that are taken."""

    CL100K = "cl100k"
    MODEL = "model"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Texts; ``cut_characters`` counts those of which the ids held only a part, left out."""

    texts: list[str]
    cut_characters: int = 0


def decode(
    arrays: Sequence[list[int]], whose: TokenInput, tokeniser_of_model: Callable[[], Tokeniser]
) -> Decoded:
    """The texts of arrays of ids. Raises InvalidValue for ids that are of no text.

    A model's own ids must be what its tokeniser makes of the text that they are decoded to, so that
    the model reads the ids as they were sent; special tokens around them may be there or not.
    """
    if whose is TokenInput.REJECT:
        raise InvalidValue(
            "input holds token ids, which this server does not take.",
            remedy="Send text. In LangChain: check_embedding_ctx_length=False.",
            param="texts",
        )
    if whose is TokenInput.MODEL:
        tokeniser = tokeniser_of_model()
        return Decoded([_of_model(ids, tokeniser, place) for place, ids in enumerate(arrays)])
    found = [_of_cl100k(ids, place) for place, ids in enumerate(arrays)]
    return Decoded([one.text for one in found], sum(one.cut_characters for one in found))


def _of_cl100k(ids: list[int], place: int) -> cl100k.Decoded:
    try:
        return cl100k.decode(ids)
    except cl100k.NotCl100k as error:
        raise InvalidValue(
            f"The token ids of text {place} are not OpenAI's cl100k: {error}.",
            remedy="Send text, or start the server with token_input set to model.",
            param="texts",
        ) from None


def _of_model(ids: list[int], tokeniser: Tokeniser, place: int) -> str:
    inner = tokeniser.without_special(ids)
    text = tokeniser.decode(inner)
    if tokeniser.text_ids(text) != inner:
        raise InvalidValue(
            f"The token ids of text {place} are not what the model's tokeniser makes of any text.",
            remedy="Send text. Ids are taken as they come from the model's own tokeniser.",
            param="texts",
        )
    return text

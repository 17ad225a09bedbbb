"""Token ids to texts. Encoders only take texts, as the ids of another vocabulary mean other words.

Nine of ten ids that OpenAI's clients send are also ids of all-MiniLM's vocabulary, for unrelated
words. Used as they are, they would silently give the vectors of other texts.

``cl100k.xz`` is tiktoken's ``cl100k_base`` (MIT, see ``cl100k.LICENCE``), compressed: one byte for
the length of each token, in the order of their ids, followed by the bytes of all tokens.
"""

import lzma
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import InvalidValue

_FILE = Path(__file__).parent / "cl100k.xz"
_TOKENS = 100_256
_SPECIAL: Mapping[int, bytes] = {
    100_257: b"<|endoftext|>",
    100_258: b"<|fim_prefix|>",
    100_259: b"<|fim_middle|>",
    100_260: b"<|fim_suffix|>",
    100_276: b"<|endofprompt|>",
}
# A UTF-8 character has up to three continuation bytes.
_MOST_CONTINUED = 3


class TokenInput(StrEnum):
    """Which vocabulary the token ids of clients are from; ``REJECT`` accepts none."""

    CL100K = "cl100k"
    MODEL = "model"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class InputTexts:
    """Texts; ``cut_characters`` counts characters left out because the ids held only a part."""

    texts: list[str]
    cut_characters: int = 0


class NotCl100k(ValueError):
    """Ids that are not the tokens of any text in this vocabulary. The message says why."""


def decode(
    arrays: Sequence[list[int]], whose: TokenInput, tokeniser_of_model: Callable[[], Tokeniser]
) -> InputTexts:
    """The texts of arrays of ids. Raises InvalidValue for ids that are not those of a text.

    A model's own ids must be what its tokeniser makes of the decoded text, so that the model reads
    exactly the ids that were sent. Special tokens around them are optional.
    """
    if whose is TokenInput.REJECT:
        raise InvalidValue(
            "input holds token ids, which this server does not accept.",
            remedy="Send text. In LangChain: check_embedding_ctx_length=False.",
            param="texts",
        )
    if whose is TokenInput.MODEL:
        tokeniser = tokeniser_of_model()
        return InputTexts([_of_model(ids, tokeniser, index) for index, ids in enumerate(arrays)])
    found = [_of_cl100k(ids, index) for index, ids in enumerate(arrays)]
    return InputTexts([text for text, _ in found], sum(cut for _, cut in found))


def decode_cl100k(ids: Sequence[int]) -> tuple[str, int]:
    """The text of these tokens, and how many characters at its ends were incomplete and left out.

    Clients cut long texts between tokens, which can be within a character. Special tokens are
    spelt out, as tiktoken does. Raises NotCl100k for unknown ids, and for bytes that are not UTF-8.
    """
    table = _table()
    try:
        data = b"".join(map(table.__getitem__, ids))
    except KeyError as error:
        raise NotCl100k(f"{error.args[0]} is not a token id of cl100k") from None
    start = data[: _MOST_CONTINUED + 1]
    continued = len(start) - len(start.lstrip(bytes(range(0x80, 0xC0))))
    decoder = getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data[continued:] if continued <= _MOST_CONTINUED else data)
    except UnicodeDecodeError:
        raise NotCl100k("their bytes are not UTF-8 text") from None
    unfinished = bool(decoder.getstate()[0])
    return text, bool(continued) + unfinished


def _of_cl100k(ids: list[int], index: int) -> tuple[str, int]:
    try:
        return decode_cl100k(ids)
    except NotCl100k as error:
        raise InvalidValue(
            f"The token ids of text {index} are not OpenAI's cl100k: {error}.",
            remedy="Send text, or start the server with token_input set to model.",
            param="texts",
        ) from None


def _of_model(ids: list[int], tokeniser: Tokeniser, index: int) -> str:
    inner = tokeniser.without_special(ids)
    text = tokeniser.decode(inner)
    if tokeniser.text_ids(text) != inner:
        raise InvalidValue(
            f"The token ids of text {index} are not what the model's tokeniser makes of any text.",
            remedy="Send text, or ids exactly as the model's own tokeniser gives them.",
            param="texts",
        )
    return text


@lru_cache(maxsize=1)  # about 9 MB and 60 ms, spent only if a client sends ids
def _table() -> Mapping[int, bytes]:
    data = lzma.decompress(_FILE.read_bytes())
    ends = accumulate(data[:_TOKENS], initial=_TOKENS)
    tokens = (data[start:end] for start, end in pairwise(ends))
    return {**dict(enumerate(tokens)), **_SPECIAL}

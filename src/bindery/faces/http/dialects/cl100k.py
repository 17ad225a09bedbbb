"""The tokens of cl100k, OpenAI's vocabulary, back to text: clients send texts as its ids.

The table is tiktoken's ``cl100k_base`` (MIT, see ``cl100k.LICENCE``): one byte for the length of
each token, in the order of their ids, and then their bytes, all compressed. Only decoding is here.
"""

import lzma
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

_FILE = Path(__file__).parent / "cl100k.xz"
_TOKENS = 100_256
_SPECIAL: Mapping[int, bytes] = {
    100_257: b"<|endoftext|>",
    100_258: b"<|fim_prefix|>",
    100_259: b"<|fim_middle|>",
    100_260: b"<|fim_suffix|>",
    100_276: b"<|endofprompt|>",
}
# A character has up to three bytes after its first.
_MOST_CONTINUED = 3


class NotCl100k(ValueError):
    """Ids that no text has in this vocabulary; the message says why."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and the characters at its ends of which the ids hold only a part: they are left out.

    Clients that cut long texts cut between tokens, which may be within a character.
    """

    text: str
    cut_characters: int


def decode(ids: Sequence[int]) -> Decoded:
    """The text that these are the tokens of; special tokens are spelt out, as tiktoken does.

    Raises NotCl100k for an id that is none, and for ids whose bytes are no UTF-8.
    """
    table = _table()
    try:
        data = b"".join(map(table.__getitem__, ids))
    except KeyError as error:
        raise NotCl100k(f"{error.args[0]} is no token id of cl100k") from None
    continued = len(data[: _MOST_CONTINUED + 1]) - len(
        data[: _MOST_CONTINUED + 1].lstrip(bytes(range(0x80, 0xC0)))
    )
    decoder = getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data[continued:] if continued <= _MOST_CONTINUED else data)
    except UnicodeDecodeError:
        raise NotCl100k("the ids are of bytes that are no UTF-8 text") from None
    unfinished = bool(decoder.getstate()[0])
    return Decoded(text, bool(continued) + unfinished)


@lru_cache(maxsize=1)  # about 9 MB and 60 ms, which a server that gets texts does without
def _table() -> Mapping[int, bytes]:
    data = lzma.decompress(_FILE.read_bytes())
    ends = accumulate(data[:_TOKENS], initial=_TOKENS)
    tokens = (data[start:end] for start, end in pairwise(ends))
    return {**dict(enumerate(tokens)), **_SPECIAL}

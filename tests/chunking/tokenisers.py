"""Tokenisers to try chunking with: the real one, and two that make arithmetic hard."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer

from bindery.chunking import OffsetTokeniser

Offsets = npt.NDArray[np.int64]


class WordPiece:
    """BERT's own: what a blank parts, it parts."""

    splits_at_blanks = True

    def __init__(self, folder: Path, *, added: Sequence[AddedToken] = ()) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.add_special_tokens(list(added))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def token_offsets(self, texts: Sequence[str]) -> list[Offsets]:
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [_offsets(encoding.offsets) for encoding in encodings]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]


class Utf8Bytes:
    """Every byte of UTF-8 is a token, blanks too: several tokens share a character."""

    splits_at_blanks = False

    def token_offsets(self, texts: Sequence[str]) -> list[Offsets]:
        return [
            _offsets(
                [
                    (place, place + 1)
                    for place, character in enumerate(text)
                    for _ in character.encode()
                ]
            )
            for text in texts
        ]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.encode()) for text in texts]


class LeadingBlanks:
    """A word is one token with a blank before it and up to five without: every cut adds some."""

    splits_at_blanks = False
    _word = re.compile(r"\s?\S+")

    def token_offsets(self, texts: Sequence[str]) -> list[Offsets]:
        return [
            _offsets(
                [
                    span
                    for found in self._word.finditer(text)
                    for span in self._tokens(found.start(), found.group())
                ]
            )
            for text in texts
        ]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(offsets) for offsets in self.token_offsets(texts)]

    @staticmethod
    def _tokens(start: int, word: str) -> list[tuple[int, int]]:
        end = start + len(word)
        if word[0].isspace():
            return [(start, end)]
        last = min(start + 4, end - 1)
        return [(place, place + 1) for place in range(start, last)] + [(last, end)]


class Recording:
    """Another tokeniser, and how many characters it was given."""

    def __init__(self, tokeniser: OffsetTokeniser) -> None:
        self._tokeniser = tokeniser
        self.characters = 0

    @property
    def splits_at_blanks(self) -> bool:
        return self._tokeniser.splits_at_blanks

    def token_offsets(self, texts: Sequence[str]) -> list[Offsets]:
        self.characters += sum(map(len, texts))
        return self._tokeniser.token_offsets(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.characters += sum(map(len, texts))
        return self._tokeniser.count_tokens(texts)


def _offsets(spans: Sequence[tuple[int, int]]) -> Offsets:
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


TOKENISERS: dict[str, Callable[[Path], OffsetTokeniser]] = {
    "wordpiece": WordPiece,
    "bytes": lambda _: Utf8Bytes(),
    "leading-blanks": lambda _: LeadingBlanks(),
}

"""Long texts are tokenised in stretches, so that memory does not grow with their length.

The tokenizers library takes about 150 bytes per token and keeps all tokens of a call.
"""

import re
from collections.abc import Iterable, Iterator

from tokenizers import Encoding

STRETCH_CHARACTERS = 1 << 16
_TEXTS_AT_ONCE = 512

# Where a stretch may end, the best place first. At the first one, no tokeniser in the catalog
# joins the characters on both sides to one token.
_ENDS = tuple(
    re.compile(f"(?s).*{pattern}")
    for pattern in (r"\w(?= )", r"\w(?=\s)", r"\S(?=\s)", r"\w(?=[^\w\s])")
)


def stretches(
    text: str, start: int = 0, *, size: int = STRETCH_CHARACTERS
) -> Iterator[tuple[int, int]]:
    """Half-open ranges that cover ``text[start:]``, of at most ``size`` characters.

    Each is at least half as long, except the last. There is always one, even if it is empty.
    """
    while len(text) - start > size:
        middle, end = start + size // 2, start + size
        found = (pattern.match(text, middle, end) for pattern in _ENDS)
        end = next((match.end() for match in found if match), end)
        yield start, end
        start = end
    yield start, len(text)


def parts(prompt: str, text: str) -> Iterator[tuple[str, bool]]:
    """The stretches of a text with its prompt, and whether each is the last."""
    begin = prompt + text[:STRETCH_CHARACTERS]
    *first, (start, end) = stretches(begin)
    for a, b in first:
        yield begin[a:b], False
    if len(text) <= STRETCH_CHARACTERS:
        yield begin[start:end], True
        return
    for a, b in stretches(text, start - len(prompt)):
        yield text[a:b], b == len(text)


def batches(pieces: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    """The pieces in lists that are tokenised at once: as many as fit into one stretch."""
    batch: list[tuple[str, bool]] = []
    characters = 0
    for piece in pieces:
        is_full = characters + len(piece[0]) > STRETCH_CHARACTERS or len(batch) == _TEXTS_AT_ONCE
        if batch and is_full:
            yield batch
            batch, characters = [], 0
        batch.append(piece)
        characters += len(piece[0])
    if batch:
        yield batch


class Ends:
    """The first and the last ids of a text, up to ``most`` of each, and the number of all ids.

    ``has_more`` says that the text has more ids, which were not counted.
    """

    def __init__(self, most: int) -> None:
        self.first: list[int] = []
        self.last: list[int] = []
        self.count = 0
        self.has_more = False
        self._most = most

    def add(self, ids: list[int]) -> None:
        """Add the next ids."""
        self.count += len(ids)
        self.first += ids[: self._most - len(self.first)]
        self.last = (self.last + ids[-self._most :])[-self._most :]

    def read(
        self, encodings: Iterator[tuple[Encoding, bool]], *, stop_beyond: int | None = None
    ) -> None:
        """Add encodings up to one that is the last of its text, or until there are enough ids."""
        for encoding, is_last in encodings:
            self.add(encoding.ids)
            self.has_more = not is_last
            if is_last or (stop_beyond is not None and self.count > stop_beyond):
                return

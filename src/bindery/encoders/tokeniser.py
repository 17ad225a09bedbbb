"""From texts to token ids with a model's own tokenizer.json, counting what is cut."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
from tokenizers import AddedToken, Encoding, Tokenizer

from bindery.checkpoint import read_object
from bindery.encoders.pending import Cancellation
from bindery.encoders.stretches import Ends, batches, parts, stretches
from bindery.encoders.tokeniser_classes import build_like_reference, described
from bindery.errors import InvalidValue, ModelBroken
from bindery.models.layouts import Layout
from bindery.types import TokenIds, Truncate

# A thousand tokens take a few milliseconds, in which other threads wait.
_PIECES_AT_ONCE_CHARACTERS = 1 << 13
_IDS = 1 << 32
_BLANKS = " \t\n\r"

# With these pre-tokenisers no token crosses a blank, and no token depends on text beyond a blank.
_SPLITTING_AT_BLANKS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A text as the model reads it.

    ``ids`` (s,) int32 include special tokens and the prompt; ``cut`` counts the tokens beyond the
    window; ``prompt`` counts the leading ids of the prompt and the special tokens before it, and is
    0 without a prompt. ``text`` is the half-open range of the text's own ids, including a token
    that spans the end of the prompt and the start of the text. ``expansion`` counts the trailing
    ids that fill a query of a late-interaction model: no other token attends to them.
    ``has_more`` says that counting stopped early, so that more than ``cut`` are beyond the window.
    """

    ids: npt.NDArray[np.int32]
    cut: int
    prompt: int
    text: tuple[int, int]
    expansion: int = 0
    has_more: bool = False

    def __len__(self) -> int:
        """The number of ids."""
        return len(self.ids)

    @property
    def used(self) -> int:
        """The number of tokens including special tokens and prompt, but not the expansion."""
        return len(self.ids) - self.expansion


@dataclass(frozen=True, slots=True, eq=False)
class WholeText:
    """All tokens of a text of any length with their positions; nothing is cut.

    ``before`` are the ids of the special tokens and the prompt, ``after`` those of the special
    tokens after the text; ``prompt`` is as in :class:`Tokens`. ``offsets`` (n, 2) are half-open
    ranges of code points of the text; a token that begins in the prompt starts at 0.
    """

    before: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    after: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    prompt: int


class TokenPiece(NamedTuple):
    """One token: its id, its text and its range of code points, which special tokens lack.

    A tuple, because texts have many: it takes half the time of a dataclass.
    """

    id: int
    text: str
    span: tuple[int, int] | None


class Tokeniser:
    """A model's tokenizer.json, run by Hugging Face's tokenizers. Thread-safe.

    ``folder`` contains it and the configuration files that the reference also reads. A special
    token written in a text counts as that token, as in the reference; see :meth:`neutralised`.
    Raises ModelBroken for files that are not a tokeniser.
    """

    def __init__(self, folder: Path, *, max_tokens: int, lower_case: bool = False) -> None:
        path = folder / "tokenizer.json"
        self._tokenizer = _read(path)
        # The file may contain settings of an earlier call, such as padding to 128.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        build_like_reference(self._tokenizer, folder, lower_case=lower_case)
        settings = read_object(folder / "tokenizer_config.json", optional=True)
        self._keeps_end = settings.get("truncation_side") == "left"
        self.max_tokens = max_tokens
        self._before, self._after = _special_ids(self._tokenizer, path)
        self._splits_at_blanks = _splits_at_blanks(self._tokenizer)

    @classmethod
    def of(cls, layout: Layout) -> "Tokeniser":
        """The tokeniser of a model's folder."""
        return cls(layout.body, max_tokens=layout.card.max_tokens, lower_case=layout.lower_case)

    def within(self, max_tokens: int) -> "Tokeniser":
        """The same tokeniser with another window."""
        found = copy(self)
        found.max_tokens = max_tokens
        return found

    def neutralised(self, tokens: Iterable[str] = ()) -> "Tokeniser":
        """The same, but special tokens and ``tokens`` written in a text are ordinary text.

        Unigram vocabularies (XLM-RoBERTa) contain ``<s>`` and others as pieces, and still find
        them.
        """
        found = copy(self)
        vars(found).pop("digest", None)
        found._tokenizer = deepcopy(self._tokenizer)
        tokenizer: Any = found._tokenizer
        tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens])
        tokenizer.encode_special_tokens = True
        return found

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds to every text."""
        return len(self._before) + len(self._after)

    @property
    def leading_tokens(self) -> int:
        """How many of them are before the text."""
        return len(self._before)

    @property
    def splits_at_blanks(self) -> bool:
        """Whether the tokens of a text cut at a blank are the tokens of its parts."""
        return self._splits_at_blanks

    @cached_property
    def digest(self) -> str:
        """A hash of the tokeniser: if it is equal, the ids of every text are equal."""
        tokenizer: Any = self._tokenizer
        said = f"{tokenizer.encode_special_tokens}{tokenizer.to_str()}"
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def token_id(self, token: str) -> int | None:
        """The id of a token; None if the vocabulary does not have it."""
        return self._tokenizer.token_to_id(token)

    def text_ids(self, text: str) -> list[int]:
        """The ids of a text alone: no special tokens, no prompt, nothing cut."""
        return [id_ for encoding, _ in self._encode([("", text)]) for id_ in encoding.ids]

    def room(self, prompt: str = "") -> int:
        """How many tokens of text the window holds beside the special tokens and the prompt."""
        taken = self.count_tokens([prompt])[0] if prompt else 0
        return self.max_tokens - self.special_tokens - taken

    def tokenise(
        self,
        texts: Sequence[str],
        prompt: str | Sequence[str] = "",
        *,
        truncate: Truncate = Truncate.END,
        known: Sequence[TokenIds | None] | None = None,
        cancellation: Cancellation | None = None,
    ) -> list[Tokens]:
        """The tokens of each text, in order, cut to the window.

        ``prompt`` is put before every text; a sequence has one for each. ``END`` cuts like the
        reference: at the end, or at the start including the prompt if the model's tokeniser says
        ``truncation_side: left``. ``START`` cuts the start of the text and keeps the prompt.
        ``ERROR`` raises nothing, but the list ends with the first text that is too long: see
        :func:`bindery.encoders.checks.check_fits`. ``known`` are ids of the texts from this
        tokeniser, which are reused if the prompt cannot change them. Raises Abandoned and
        DeadlineExceeded from ``cancellation``.
        """
        prompts = [prompt] * len(texts) if isinstance(prompt, str) else list(prompt)
        own = [
            self._reused(before, ids)
            for before, ids in zip(prompts, known or [None] * len(texts), strict=True)
        ]
        rest = zip(prompts, texts, own, strict=True)
        read = self._encode(
            ((before, text) for before, text, ids in rest if ids is None), cancellation
        )
        found: list[Tokens] = []
        last_prompt, prompt_ids = "", list[int]()
        for before, ids in zip(prompts, own, strict=True):
            if before != last_prompt:
                last_prompt, prompt_ids = before, self.text_ids(before)
            ends = Ends(max(self._room, len(prompt_ids)))
            if ids is not None:
                ends.add(prompt_ids + ids)
            else:
                ends.read(read, stop_beyond=self._room if truncate is Truncate.ERROR else None)
            found.append(self._within_window(ends, prompt_ids, truncate))
            if found[-1].cut and truncate is Truncate.ERROR:
                break
        return found

    def whole(self, text: str, prompt: str = "") -> WholeText:
        """All tokens of the prompt and a text, uncut, with their positions."""
        prompt_ids = self.text_ids(prompt) if prompt else []
        ids: list[npt.NDArray[np.int32]] = []
        offsets: list[npt.NDArray[np.int64]] = []
        all_text = prompt + text
        for start, end in stretches(all_text):
            found = self._tokenizer.encode(all_text[start:end], add_special_tokens=False)
            ids.append(np.array(found.ids, dtype=np.int32))
            positions = np.array(found.offsets, dtype=np.int64).reshape(-1, 2)
            offsets.append(positions + start - len(prompt))
        all_ids = np.concatenate(ids)
        shared = _shared(prompt_ids, all_ids.tolist())
        return WholeText(
            np.array([*self._before, *all_ids[:shared]], dtype=np.int32),
            all_ids[shared:],
            np.array(self._after, dtype=np.int32),
            np.maximum(np.concatenate(offsets)[shared:], 0),
            len(self._before) + len(prompt_ids) if prompt else 0,
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text alone: no special tokens, no prompt, nothing cut."""
        counts = [0]
        for encoding, is_last in self._encode(("", text) for text in texts):
            counts[-1] += len(encoding)
            if is_last:
                counts.append(0)
        return counts[:-1]

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """The tokens of each text as (n, 2) half-open ranges of code points, increasing."""
        return [offsets for _, offsets in self.ids_and_offsets(texts)]

    def ids_and_offsets(
        self, texts: Sequence[str]
    ) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]]:
        """The ids (n,) and offsets (n, 2) of each text, without special tokens; nothing is cut."""
        return [
            (
                np.array(encoding.ids, dtype=np.int32),
                np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2),
            )
            for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]

    def pieces(
        self, text: str, cancellation: Cancellation | None = None
    ) -> Iterator[list[TokenPiece]]:
        """The tokens of a text including special tokens, some at a time; nothing is cut.

        Raises Abandoned and DeadlineExceeded from ``cancellation``.
        """
        yield self._special_pieces(self._before)
        for start, end in stretches(text, size=_PIECES_AT_ONCE_CHARACTERS):
            if cancellation is not None:
                cancellation.check()
            found = self._tokenizer.encode(text[start:end], add_special_tokens=False)
            yield [
                TokenPiece(id_, text[start + first : start + last], (start + first, start + last))
                for id_, (first, last) in zip(found.ids, found.offsets, strict=True)
            ]
        yield self._special_pieces(self._after)

    def _special_pieces(self, ids: Sequence[int]) -> list[TokenPiece]:
        return [TokenPiece(id_, self._tokenizer.id_to_token(id_) or "", None) for id_ in ids]

    def decode(self, ids: Sequence[int], *, keeps_special: bool = False) -> str:
        """The text of the ids. Case and blanks are lost if the vocabulary does not keep them.

        Raises InvalidValue for the first id that is not in the vocabulary.
        """
        for id_ in ids:
            if not 0 <= id_ < _IDS or self._tokenizer.id_to_token(id_) is None:
                raise InvalidValue(f"The model has no token with the id {id_}.", param="texts")
        return self._tokenizer.decode(list(ids), skip_special_tokens=not keeps_special)

    def without_special(self, ids: Sequence[int]) -> list[int]:
        """The ids without the special tokens around them, if they have both."""
        first, last = len(self._before), len(ids) - len(self._after)
        found = list(ids)
        is_wrapped = first <= last and found[:first] == self._before and found[last:] == self._after
        return found[first:last] if is_wrapped else found

    def _reused(self, prompt: str, known: TokenIds | None) -> list[int] | None:
        """The known ids of a text, if they stay the same after the prompt; otherwise None."""
        is_apart = not prompt or prompt[-1] in _BLANKS
        if known is None or not (self._splits_at_blanks and is_apart):
            return None
        return known.values.tolist() if known.digest == self.digest else None

    @property
    def _room(self) -> int:
        """How many tokens the window holds beside the special tokens."""
        return self.max_tokens - self.special_tokens

    def _within_window(self, ids: Ends, prompt: list[int], truncate: Truncate) -> Tokens:
        """Cut the ids to the window and add special tokens; ``prompt`` are those of the prompt.

        The text begins after the ids that are the same as those of the prompt alone, because the
        prompt's last blank may be part of the text's first token.
        """
        before, room = len(self._before), self._room
        cut = max(0, ids.count - room)
        shared = _shared(prompt, ids.first)
        first = ids.count - cut  # that many leading ids are kept; the ids after them are cut
        if truncate is Truncate.START:
            first = min(shared, room)
        elif self._keeps_end:
            first = 0
        trailing = ids.count - cut - first
        kept = ids.first[:first] + ids.last[len(ids.last) - trailing :]
        end = before + len(kept)
        start = shared - min(cut, max(0, shared - first))
        return Tokens(
            np.array([*self._before, *kept, *self._after], dtype=np.int32),
            cut=cut,
            prompt=before + len(prompt) if prompt else 0,
            text=(min(before + start, end), end),
            has_more=ids.has_more,
        )

    def _encode(
        self, texts: Iterable[tuple[str, str]], cancellation: Cancellation | None = None
    ) -> Iterator[tuple[Encoding, bool]]:
        """The stretches of prompts with their texts, and whether each is the last of its text."""
        pieces = (part for prompt, text in texts for part in parts(prompt, text))
        for batch in batches(pieces):
            if cancellation is not None:
                cancellation.check()
            found = self._tokenizer.encode_batch_fast(
                [piece for piece, _ in batch], add_special_tokens=False
            )
            yield from zip(found, (is_last for _, is_last in batch), strict=True)


def _shared(prompt: list[int], ids: list[int]) -> int:
    """How many leading ids are the same as those of the prompt alone."""
    return sum(1 for _ in takewhile(bool, map(int.__eq__, prompt, ids)))


def _read(path: Path) -> Tokenizer:
    others = sorted(
        other.name for other in path.parent.glob("*") if other.name in _OTHER_VOCABULARIES
    )
    if not path.is_file() and others:
        raise ModelBroken(
            f"{path.parent} has no {path.name}, only {', '.join(others)}.",
            remedy="Load its tokeniser with transformers' AutoTokenizer and save it again.",
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every kind of bad file
        raise ModelBroken(f"{path} cannot be read: {error}.") from error


_OTHER_VOCABULARIES = {
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
}
"""The files of tokenisers that were saved before tokenizer.json existed."""


def _special_ids(tokenizer: Tokenizer, path: Path) -> tuple[list[int], list[int]]:
    """The ids that the model puts before and after every text, found with a text of one token."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    special = encoding.special_tokens_mask
    if 0 not in special:
        raise ModelBroken(f"{path} turns the text 'a' into special tokens only.")
    first = special.index(0)
    last = len(special) - special[::-1].index(0)
    return encoding.ids[:first], encoding.ids[last:]


def _splits_at_blanks(tokenizer: Tokenizer) -> bool:
    found: Any = orjson.loads(described(tokenizer.pre_tokenizer)) or {}
    steps: list[Any] = found.get("pretokenizers") or [found]
    return steps[0].get("type") in _SPLITTING_AT_BLANKS and all(
        step.get("prepend_scheme", "always") == "always" for step in steps
    )

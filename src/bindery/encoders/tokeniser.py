"""Text to token ids, as the model's own tokeniser file says, with an account of what was cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import BertNormalizer, Lowercase, Normalizer
from tokenizers.normalizers import Sequence as Normalizers

from bindery.errors import ModelBroken
from bindery.models.layout import Layout, read_object

_TEXTS_AT_ONCE = 512

# Pre-tokenisers after which no token reaches over a blank and none changes when its neighbour
# beyond the blank is taken away.
_SPLITTING_AT_BLANKS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A text as the model sees it.

    ``ids`` (s,) int32 hold special tokens and prompt; ``cut`` counts the text's tokens beyond the
    window; ``prompt`` counts the leading ids that belong to the prompt and the special tokens
    before it (0 where there is no prompt).
    """

    ids: npt.NDArray[np.int32]
    cut: int
    prompt: int

    def __len__(self) -> int:
        """The number of tokens used, special tokens and prompt included."""
        return len(self.ids)


class Tokeniser:
    """A model's tokenizer.json, run by Hugging Face's tokenizers. Safe to call from threads.

    ``folder`` holds it and, for BERT's, the tokenizer_config.json that the reference goes by.
    """

    def __init__(self, folder: Path, *, max_tokens: int, lower_case: bool = False) -> None:
        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception for every kind of bad file
            raise ModelBroken(f"{path} cannot be read: {error}.") from error
        # The file may carry the settings of somebody's last call, such as padding to 128.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        _normalise_like_reference(self._tokenizer, folder, lower_case=lower_case)
        self.max_tokens = max_tokens
        self._before, self._after = _special_ids(self._tokenizer, path)
        self._splits_at_blanks = _splits_at_blanks(self._tokenizer)

    @classmethod
    def of(cls, layout: Layout) -> "Tokeniser":
        """The tokeniser of a model's folder."""
        return cls(layout.body, max_tokens=layout.card.max_tokens, lower_case=layout.lower_case)

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds to every text."""
        return len(self._before) + len(self._after)

    @property
    def splits_at_blanks(self) -> bool:
        """Whether the tokens of a text cut at a blank are the tokens of its parts."""
        return self._splits_at_blanks

    def room(self, prompt: str = "") -> int:
        """How many tokens of text the window holds beside the special tokens and the prompt."""
        taken = self.count_tokens([prompt])[0] if prompt else 0
        return self.max_tokens - self.special_tokens - taken

    def tokenise(self, texts: Sequence[str], prompt: str = "") -> list[Tokens]:
        """Ids as the model wants them, one for each text, in order; cut at the window's end."""
        leading = len(self._before) + self.count_tokens([prompt])[0] if prompt else 0
        window = self.max_tokens - self.special_tokens
        return [
            Tokens(
                np.array([*self._before, *encoding.ids[:window], *self._after], dtype=np.int32),
                cut=max(0, len(encoding) - window),
                prompt=leading,
            )
            for encoding in self._encode([prompt + text for text in texts])
        ]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text alone: no special tokens, no prompt, nothing cut."""
        return [len(encoding) for encoding in self._encode(texts)]

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Where each text's tokens lie: (n, 2) half-open ranges of code points, rising."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) for encoding in encodings]

    def _encode(self, texts: Sequence[str]) -> Iterator[Encoding]:
        """In slices: an Encoding keeps some 150 bytes a token, and there may be many texts."""
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            texts_now = list(texts[start : start + _TEXTS_AT_ONCE])
            yield from self._tokenizer.encode_batch_fast(texts_now, add_special_tokens=False)


def _normalise_like_reference(tokenizer: Tokenizer, folder: Path, *, lower_case: bool) -> None:
    """Clean texts as transformers 5 does, which is not always as tokenizer.json says.

    For BERT's tokeniser it builds the normaliser anew from tokenizer_config.json. Where
    sentence_bert_config.json asks for lower case, sentence-transformers puts a step before it.
    """
    config = read_object(folder / "tokenizer_config.json", optional=True)
    if str(config.get("tokenizer_class")) in {"BertTokenizer", "BertTokenizerFast"}:
        tokenizer.normalizer = BertNormalizer(
            clean_text=True,
            handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
            strip_accents=config.get("strip_accents"),
            lowercase=bool(config.get("do_lower_case", True)),
        )
    if lower_case and '"type":"Lowercase"' not in _described(tokenizer, "normalizer"):
        normaliser: Normalizer | None = tokenizer.normalizer
        steps: list[Normalizer] = [Lowercase()] if normaliser is None else [Lowercase(), normaliser]
        tokenizer.normalizer = Normalizers(steps)


def _described(tokenizer: Tokenizer, part: str) -> str:
    return orjson.dumps(orjson.loads(tokenizer.to_str())[part]).decode()


def _special_ids(tokenizer: Tokenizer, path: Path) -> tuple[list[int], list[int]]:
    """The ids that the model puts before and after every text, found on a text of one token."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    special = encoding.special_tokens_mask
    if 0 not in special:
        raise ModelBroken(f"{path} makes only special tokens of the text 'a'.")
    first = special.index(0)
    last = len(special) - special[::-1].index(0)
    return encoding.ids[:first], encoding.ids[last:]


def _splits_at_blanks(tokenizer: Tokenizer) -> bool:
    described = _described(tokenizer, "pre_tokenizer")
    return any(described.startswith(f'{{"type":"{name}"') for name in _SPLITTING_AT_BLANKS)

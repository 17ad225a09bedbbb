"""Tiny tokenisers of every kind that our bodies come with, built the same way every time.

It runs in the reference environment of ``make_dense.py``. Each function gives the content of a
tokenizer.json as the model family's own has it; :data:`NAMES` are its special tokens for
tokenizer_config.json.
"""
# pyright: basic

import base64
import json
import re
import zlib
from collections.abc import Iterable
from itertools import pairwise

from texts import TINY_TEXTS
from tiny_specs import vocabulary
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE, Unigram, WordPiece

Content = dict[str, object]

# A SentencePiece normaliser of a few rules, compiled by sentencepiece 0.2 from a table: full width
# to half, an ideographic blank and all other blanks to a blank, a composed e with its accent, the
# ligature fi, the small 2. Compressed; XLM-RoBERTa's own is 300 kB.
_CHARSMAP = (
    "eNpl0+lvFlUUgPHnvoPGEjDEoAFjiKBiQXbZRQRkhyIgm6BIEQpFQURAipRMC5RCaaGUUkpb9q0ssolsLUT9Cn8A3x"
    "QwSiJqWUVFfV7qNyf55Zx7TuZmcs8dGgDPQ0oKNHyM5BNfapSgcXPIcf216x3t4UVjnJqgoKVJgwRxLzhMgpxsKLKU"
    "SJb1uJ5QQzXSk2qip3QiDZoan1Ez1VyKqE0NPGv+nFrIT4lbqbVS1Vbt1EGd1EVd1V091Vt91Ff9NEADNVhDNVwjNU"
    "qjNVbjNEGTNFlHHgYO62iI+CIlotr8gA7dDBzUXvM92n85sE87zXdot71dqn06okYXdUFndUbndU6nBkV8qdPjI77q"
    "H3E8PeJYVsRJ44nMiMIQWFcXWG8sSgmsuRvIV8GNwFrrq8xXarXylKOZmxKsMOaqKjtQqe2NA9tUbr5FFXMDW1Vqvk"
    "llaYHNKk4PbMgKlNjbeMX9HPq7nsNUTdN0zVCG8uzNNs5RgflHxkLjOq3XPNfztUALtVhLtFTLtDx5b5SrlfX7xfla"
    "K/eIi1WiUu12vzJjuSpUpe2qtr6zvh/v1f76WnwoOTsd1XGd1Cmd1lmdV60u6ox7uOacrFEj61xQaa3nozJnu1nF5h"
    "tUcsTzUZWzrtQ3+Z6v/XLzLapw9lu1qpvz0WrlKUexVihXhQ/+m6/vFtX9f77f+w3f6Zqu6gdd14/6tWnghvGnZC8O"
    "XKsM3DT/OdnTL6rTb7qtW7qrO7qve3qg3/Wn/tBD/aV/9Pej378lrXjBf/wlWvMyqbShLa/QjvZ0oCOd6EwXXqUr3e"
    "hOD3rSi968Rh9epy9v0I/+DOBNBjKIwQxhKMMYzghGksYo3mI0YxjL24xjPBOYyCTeYTJTvHPvMZX3mUY60/mAGcwk"
    "g4xMZnnlMpnDh163uV6xj5nPJyzgUxayiMV8xhKyWMrnLCOb5Xxbzb/P6htu"
)

_SAMPLE = (
    *TINY_TEXTS.values(),
    "query: passage: search_query: search_document: Represent this sentence for searching",
    "task: search result | query: title: none | text: sentence similarity classification",
    "Instruct: Given a question, find the passage that answers it\nQuery: what is a book?",
    "it's 42 books, they're lost; I'll look for them on the shelf.",
)
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

NAMES: dict[str, dict[str, str]] = {
    "roberta": {
        "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
        "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
    },
    "mpnet": {
        "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
        "unk_token": "[UNK]", "pad_token": "<pad>", "mask_token": "<mask>",
    },
    "modernbert": {
        "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]",
        "mask_token": "[MASK]",
    },
    "qwen": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "gemma": {
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
        "mask_token": "<mask>",
    },
}  # fmt: skip
NAMES["xlm_roberta"] = NAMES["roberta"]


def roberta() -> Content:
    """Byte-level pairs; the special tokens come first, the mask takes the blank before it."""
    special = ("<s>", "<pad>", "</s>", "<unk>")
    model = _byte_pairs(special, after=("<mask>",))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([*_plain(special), AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return _content(tokenizer)


def modernbert() -> Content:
    """Byte-level pairs with BERT's special tokens at the end of the vocabulary."""
    special = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
    tokenizer = Tokenizer(_byte_pairs((), after=special))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([*_plain(special[:-1]), AddedToken("[MASK]", lstrip=True)])
    tokenizer.post_processor = _template(tokenizer, "[CLS]", "[SEP]")
    return _content(tokenizer)


def qwen() -> Content:
    """Byte-level pairs after Qwen's split; an end is put after the text, as Qwen3-Embedding has."""
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer = Tokenizer(_byte_pairs((), after=special, words=_QWEN_WORDS))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _qwen_split()
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens(_plain(special))
    tokenizer.post_processor = _template(tokenizer, "", "<|endoftext|>")
    return _content(tokenizer)


def xlm_roberta() -> Content:
    """SentencePiece's unigrams, most frequent first, with the normaliser that goes before them."""
    pieces: dict[str, int] = {}
    for text in _SAMPLE:
        for word in text.split():
            marked = "\u2581" + word
            for start in range(len(marked)):
                for end in range(start + 1, min(start + 5, len(marked)) + 1):
                    pieces[marked[start:end]] = pieces.get(marked[start:end], 0) + 1
    letters = sorted(piece for piece in pieces if len(piece) == 1)
    longer = sorted(
        (piece for piece in pieces if len(piece) > 1 and pieces[piece] > 1),
        key=lambda piece: (-pieces[piece] * len(piece), piece),
    )[:150]
    scores = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    scores += [(piece, round(-2.0 - 0.02 * rank, 2)) for rank, piece in enumerate(longer)]
    scores += [(piece, -9.0) for piece in letters]
    scores.append(("<mask>", 0.0))
    tokenizer = Tokenizer(Unigram(scores, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(_charsmap()), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    special = ("<s>", "<pad>", "</s>", "<unk>")
    tokenizer.add_special_tokens([*_plain(special), AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = _template(tokenizer, "<s>", "</s>")
    return _content(tokenizer)


def mpnet() -> Content:
    """WordPiece with RoBERTa's special tokens before BERT's words."""
    words = [word for word in vocabulary() if not word.startswith("[")]
    entries = ("<s>", "<pad>", "</s>", "[UNK]", *words, "<mask>")
    tokenizer = Tokenizer(
        WordPiece({entry: number for number, entry in enumerate(entries)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ("<s>", "<pad>", "</s>", "[UNK]")
    tokenizer.add_special_tokens([*_plain(special), AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return _content(tokenizer)


def gemma() -> Content:
    """Pairs of characters in which a blank is a character; what is not known falls to bytes."""
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    spaced = [text.replace(" ", "\u2581") for text in _SAMPLE]
    characters = sorted({char for text in spaced for char in text if ord(char) < 0x2600} - {"\n"})
    # Blanks go with the word after them, as in Gemma's own: a prompt's last is the text's first.
    units = [[*word] for text in spaced for word in re.split("(?<!\u2581)(?=\u2581)", text)]
    merges = _merges(units, 90)
    entries = (
        *special,
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "\n",
        *characters,
        *("".join(pair) for pair in merges),
    )
    numbered = {entry: number for number, entry in enumerate(dict.fromkeys(entries))}
    model = BPE(numbered, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_special_tokens(_plain(special))
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])
    tokenizer.post_processor = _template(tokenizer, "<bos>", "<eos>")
    return _content(tokenizer)


def _byte_pairs(before: tuple[str, ...], *, after: tuple[str, ...], words: str = "") -> BPE:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if words:
        split = _qwen_split()
    units = [[*word] for text in _SAMPLE for word, _ in split.pre_tokenize_str(text)]
    merges = _merges(units, 70)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = (*before, *alphabet, *("".join(pair) for pair in merges), *after)
    return BPE({entry: number for number, entry in enumerate(entries)}, merges)


def _qwen_split() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _merges(units: list[list[str]], count: int) -> list[tuple[str, str]]:
    """The most frequent pairs, one merged after the other (Sennrich et al., 2016)."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        pairs: dict[tuple[str, str], int] = {}
        for unit in units:
            for pair in pairwise(unit):
                if all(part.isascii() or part[0] in "\u2581\u0120" for part in pair):
                    pairs[pair] = pairs.get(pair, 0) + 1
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        found.append(best)
        units = [_merged(unit, best) for unit in units]
    return found


def _merged(unit: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in unit:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def _plain(tokens: Iterable[str]) -> list[AddedToken]:
    return [AddedToken(token, special=True, normalized=False) for token in tokens]


def _template(tokenizer: Tokenizer, before: str, after: str) -> processors.TemplateProcessing:
    names = [name for name in (before, after) if name]
    single = [name for name in (before, "$A", after) if name]
    ids = [(name, tokenizer.token_to_id(name)) for name in names]
    return processors.TemplateProcessing(single=single, special_tokens=ids)


def _charsmap() -> bytes:
    return zlib.decompress(base64.b64decode("".join(_CHARSMAP)))


def _content(tokenizer: Tokenizer) -> Content:
    return json.loads(tokenizer.to_str())

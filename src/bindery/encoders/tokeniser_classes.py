"""Build tokenisers like transformers 5, which does not always follow tokenizer.json.

For the classes in the table, it takes the vocabulary, the post-processor and the added tokens from
tokenizer.json, and builds the rest from tokenizer_config.json: a cased normaliser in the file is
ignored if the configuration says lower case. For every other class, only the file counts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import orjson
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, BertNormalizer, Lowercase, Normalizer, Precompiled, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel, Metaspace, Split, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as PreTokenizers
from tokenizers.processors import RobertaProcessing, TemplateProcessing

from bindery.checkpoint import read_object
from bindery.errors import ModelBroken

Settings: TypeAlias = Mapping[str, Any]

# Names of special tokens in tokenizer_config.json, with the defaults of each class.
_BERT_NAMES = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_ROBERTA_NAMES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_GEMMA_NAMES = {
    "unk_token": "<unk>",
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_QWEN_NAMES = {
    "unk_token": "<|endoftext|>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
_FLAGS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
_NAMES = tuple({**_BERT_NAMES, **_ROBERTA_NAMES})

# Qwen's split of a text before its bytes are merged (transformers, tokenization_qwen2.py).
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class _Class:
    """How a class builds its tokeniser: ``parts`` runs before tokens are added, ``around`` after.

    If ``around`` is None, the post-processor of the file stays.
    """

    names: Mapping[str, str]
    parts: Callable[[Tokenizer, Settings], None]
    around: Callable[[Tokenizer, Settings, Path], Any] | None = None


def build_like_reference(tokenizer: Tokenizer, folder: Path, *, lower_case: bool) -> None:
    """Change a tokeniser read from ``folder`` into the one that the reference would build.

    ``lower_case`` is from sentence_bert_config.json: sentence-transformers then adds a first step.
    Raises ModelBroken for special tokens that the vocabulary lacks, and for settings of a wrong
    type.
    """
    try:
        _build(tokenizer, folder)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelBroken(
            f"{folder / 'tokenizer_config.json'} does not describe a tokeniser: {error!r}."
        ) from error
    if lower_case and '"type":"Lowercase"' not in described(tokenizer.normalizer):
        normaliser: Normalizer | None = tokenizer.normalizer
        steps: list[Normalizer] = [Lowercase()] if normaliser is None else [Lowercase(), normaliser]
        tokenizer.normalizer = Normalizers(steps)


def _build(tokenizer: Tokenizer, folder: Path) -> None:
    settings = _settings(folder)
    built = _CLASSES.get(_class_name(folder, settings))
    if built is not None:
        settings = {**built.names, **settings}
        built.parts(tokenizer, settings)
    _add_tokens(tokenizer, settings)
    if built is not None and built.around is not None:
        tokenizer.post_processor = built.around(tokenizer, settings, folder)
    if settings.get("split_special_tokens"):
        tokenizer.encode_special_tokens = True


def described(part: Any) -> str:  # noqa: ANN401 - a normaliser, a pre-tokeniser, or None
    """A part of a tokeniser as compact JSON."""
    return "null" if part is None else orjson.dumps(orjson.loads(part.__getstate__())).decode()


def _settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, overridden by special_tokens_map.json if it lists no tokens."""
    found = read_object(folder / "tokenizer_config.json", optional=True)
    if "added_tokens_decoder" not in found:
        found |= read_object(folder / "special_tokens_map.json", optional=True)
    return {name: value for name, value in found.items() if value is not None}


def _class_name(folder: Path, settings: Settings) -> str:
    """As found by transformers' AutoTokenizer: the declared name, or else by the body's type."""
    config = read_object(folder / "config.json", optional=True)
    body = str(config.get("model_type"))
    if body in _AS_IN_THE_FILE:
        return ""
    declared = settings.get("tokenizer_class") or config.get("tokenizer_class")
    return str(declared or _CLASS_OF_BODY.get(body, "")).removesuffix("Fast")


def _add_tokens(tokenizer: Tokenizer, settings: Settings) -> None:
    """Add the tokens that the configuration lists, then those that it only names.

    Existing tokens get its settings, such as whether they include the blank before them.
    """
    listed: Mapping[str, Any] = settings.get("added_tokens_decoder") or {}
    for _, token in sorted(listed.items(), key=lambda item: int(item[0])):
        _add(tokenizer, AddedToken(**{key: token[key] for key in _FLAGS if key in token}))
    # Added again, so that tokens matched in normalised form use the new normaliser.
    for token in tokenizer.get_added_tokens_decoder().values():
        _add(tokenizer, token)
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    for name in _named(settings):
        if name not in known:
            _add(tokenizer, AddedToken(name, special=True))


def _add(tokenizer: Any, token: AddedToken) -> None:  # noqa: ANN401 - its annotations are partial
    (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])


def _named(settings: Settings) -> Iterator[str]:
    extra: Any = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
    values: list[Any] = [settings.get(name) for name in _NAMES]
    values += cast("dict[str, Any]", extra).values() if isinstance(extra, dict) else extra or []
    yield from (_content(value) for value in values if value is not None)


def _content(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _pair(
    tokenizer: Tokenizer, settings: Settings, folder: Path, *names: str
) -> list[tuple[str, int]]:
    """The special tokens with these names, and their ids."""
    found: list[tuple[str, int]] = []
    for name in names:
        content = _content(settings[name])
        number = tokenizer.token_to_id(content)
        if number is None:
            raise ModelBroken(f"The vocabulary of {folder} does not have its {name} {content!r}.")
        found.append((content, number))
    return found


def _word_pieces(tokenizer: Tokenizer, settings: Settings) -> None:
    tokenizer.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(settings.get("tokenize_chinese_chars", True)),
        strip_accents=settings.get("strip_accents"),
        lowercase=bool(settings.get("do_lower_case", True)),
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()


def _bytes(tokenizer: Tokenizer, settings: Settings) -> None:
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=_prefix_space(settings))
    _merging(tokenizer)


def _qwen(tokenizer: Tokenizer, settings: Settings) -> None:
    tokenizer.normalizer = NFC()
    words = Split(Regex(_QWEN_WORDS), behavior="isolated")
    bytes_ = ByteLevel(add_prefix_space=_prefix_space(settings), use_regex=False)
    tokenizer.pre_tokenizer = PreTokenizers([words, bytes_])
    _merging(tokenizer)


def _gemma(tokenizer: Tokenizer, settings: Settings) -> None:
    tokenizer.normalizer = Replace(" ", "▁")
    tokenizer.pre_tokenizer = Split(" ", behavior="merged_with_previous")
    _merging(tokenizer, unknown=_content(settings["unk_token"]), bytes_stand_in=True)


def _sentence_pieces(tokenizer: Tokenizer, settings: Settings) -> None:
    found: Any = tokenizer.normalizer
    is_several = isinstance(found, Normalizers)
    steps: list[Normalizer] = [*cast("Any", found)] if is_several else [found]
    tokenizer.normalizer = next((step for step in steps if isinstance(step, Precompiled)), None)
    scheme = "always" if settings.get("add_prefix_space", True) else "never"
    tokenizer.pre_tokenizer = PreTokenizers(
        [WhitespaceSplit(), Metaspace(replacement="▁", prepend_scheme=scheme)]
    )


def _prefix_space(settings: Settings) -> bool:
    return bool(settings.get("add_prefix_space", False))


def _merging(
    tokenizer: Tokenizer, *, unknown: str | None = None, bytes_stand_in: bool = False
) -> None:
    """Settings of a byte-pair model; the file may have others, such as dropout for training."""
    model = tokenizer.model
    if isinstance(model, BPE):
        model.dropout = None
        model.unk_token = unknown
        model.fuse_unk = bytes_stand_in
        model.byte_fallback = bytes_stand_in
        model.ignore_merges = False


def _around(
    tokenizer: Tokenizer,
    settings: Settings,
    folder: Path,
    names: tuple[str, str] = ("cls_token", "sep_token"),
) -> TemplateProcessing:
    tokens = _pair(tokenizer, settings, folder, *names)
    first, last = (content for content, _ in tokens)
    return TemplateProcessing(single=[first, "$A", last], special_tokens=tokens)


def _around_roberta(tokenizer: Tokenizer, settings: Settings, folder: Path) -> RobertaProcessing:
    first, last = _pair(tokenizer, settings, folder, "cls_token", "sep_token")
    trims = bool(settings.get("trim_offsets", True))
    prefix = _prefix_space(settings)
    return RobertaProcessing(last, first, trim_offsets=trims, add_prefix_space=prefix)


_CLASSES: Mapping[str, _Class] = {
    "BertTokenizer": _Class(_BERT_NAMES, _word_pieces, _around),
    "DistilBertTokenizer": _Class(_BERT_NAMES, _word_pieces, _around),
    "MPNetTokenizer": _Class(
        {**_ROBERTA_NAMES, "unk_token": "[UNK]"}, _word_pieces, _around_roberta
    ),
    "RobertaTokenizer": _Class(_ROBERTA_NAMES, _bytes, _around_roberta),
    "XLMRobertaTokenizer": _Class(
        _ROBERTA_NAMES, _sentence_pieces, partial(_around, names=("bos_token", "eos_token"))
    ),
    "GemmaTokenizer": _Class(_GEMMA_NAMES, _gemma),
    "Qwen2Tokenizer": _Class(_QWEN_NAMES, _qwen),
}

_CLASS_OF_BODY: Mapping[str, str] = {
    "bert": "BertTokenizer",
    "nomic_bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "mpnet": "MPNetTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "gemma3_text": "GemmaTokenizer",
    "qwen3": "Qwen2Tokenizer",
}
"""The class if tokenizer_config.json does not name one."""

_AS_IN_THE_FILE = frozenset({"modernbert", "modernbert-decoder"})
"""Bodies whose tokenizer_config.json on the hub names a wrong class: only the file counts."""

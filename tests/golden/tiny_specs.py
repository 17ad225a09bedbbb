"""What each tiny checkpoint looks like: plain data, and the files it stands for."""

import string
from dataclasses import dataclass, field

QUERY_PROMPT = "Represent this sentence for searching relevant passages: "

_WORDS = (
    "a an and book brown code fragile for gets has in is it loose lost of on paper papers passage "
    "passages place query document relevant represent searching sentence shelf spine the this "
    "unbound"
)
_CASED = "Loose PAPER Paper Represent LOST"
_PIECES = "##s ##ing ##ed ##er ##bound ##elf ##ving ##est"
_SPECIAL = ("[PAD]", *(f"[unused{n}]" for n in range(7)), "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def vocabulary() -> dict[str, int]:
    """About 190 WordPiece entries: letters alone and within words, marks, words, pieces."""
    letters = string.ascii_lowercase + string.digits
    capitals = string.ascii_uppercase + "\u00e9\u00c9"
    entries = (
        *_SPECIAL,
        *letters,
        *capitals,
        *string.punctuation,
        *(f"##{character}" for character in letters + "\u00e9\u00c9"),
        *_WORDS.split(),
        *_CASED.split(),
        *_PIECES.split(),
    )
    return {entry: index for index, entry in enumerate(dict.fromkeys(entries))}


@dataclass(frozen=True)
class TinySpec:
    """One checkpoint; the fields left out are those of an ordinary mean-pooled model.

    ``max_seq_length`` None writes none, so that the limits of tokenizer and body decide.
    ``lowercase`` is what tokenizer_config.json says, ``file_lowercase`` what tokenizer.json says.
    """

    name: str
    what: str
    pooling: str | tuple[str, ...] = "mean"
    normalise: bool = True
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    include_prompt: bool | None = None
    max_seq_length: int | None = 32
    tokenizer_limit: int = 512
    positions: int = 64
    layers: int = 1
    activation: str = "gelu"
    layer_norm_eps: float = 1e-12
    pooler: bool = False
    dtype: str = "float32"
    tensors: str = "plain"
    lowercase: bool = True
    file_lowercase: bool = True
    extra_lowercase: bool = False
    resaved: bool = False

    def files(self) -> dict[str, object]:
        """The files of sentence-transformers, in the layout used before its version 6."""
        window = {} if self.max_seq_length is None else {"max_seq_length": self.max_seq_length}
        settings: dict[str, object] = {
            "__version__": {"sentence_transformers": "3.0.0", "transformers": "4.41.0"},
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt,
        }
        return {
            "modules.json": self._modules(),
            "sentence_bert_config.json": window | {"do_lower_case": self.extra_lowercase},
            "config_sentence_transformers.json": settings,
            "1_Pooling/config.json": self._pooling(),
        }

    def _modules(self) -> list[dict[str, object]]:
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
        if self.normalise:
            kinds.append(("2_Normalize", "Normalize"))
        return [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, (path, kind) in enumerate(kinds)
        ]

    def _pooling(self) -> dict[str, object]:
        modes = (self.pooling,) if isinstance(self.pooling, str) else self.pooling
        config: dict[str, object] = {"word_embedding_dimension": 32}
        config |= {key: mode in modes for key, mode in POOLING_KEYS.items()}
        if self.include_prompt is not None:
            config["include_prompt"] = self.include_prompt
        return config


POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

SPECS = (
    TinySpec(
        "bge",
        "CLS pooling, normalised, a prompt for queries, a window of 24",
        pooling="cls",
        prompts={"query": QUERY_PROMPT},
        max_seq_length=24,
        layers=2,
        pooler=True,
    ),
    TinySpec(
        "e5",
        "mean pooling, normalised, two prompts, no window: the body's 64 positions decide",
        prompts={"query": "query: ", "document": "passage: "},
        max_seq_length=None,
    ),
    TinySpec(
        "tokenizer_limit",
        "no window: the tokenizer's limit of 20 decides, below the body's 64 positions",
        max_seq_length=None,
        tokenizer_limit=20,
    ),
    TinySpec(
        "gte",
        "mean pooling without a Normalize module: vectors keep their length",
        normalise=False,
    ),
    TinySpec(
        "arctic",
        "CLS pooling, a prompt for queries only, 48 positions, a cased tokenizer that "
        "sentence_bert_config.json's do_lower_case lower-cases (accents stay)",
        pooling="cls",
        prompts={"query": QUERY_PROMPT},
        max_seq_length=48,
        positions=48,
        layers=2,
        lowercase=False,
        file_lowercase=False,
        extra_lowercase=True,
    ),
    TinySpec(
        "cased",
        "tokenizer_config.json says cased, tokenizer.json lower-case: the former wins",
        lowercase=False,
        file_lowercase=True,
    ),
    TinySpec("last", "last-token pooling on a BERT body", pooling="lasttoken"),
    TinySpec(
        "noprompt",
        "include_prompt false: the prompt is read but not pooled",
        prompts={"query": QUERY_PROMPT},
        include_prompt=False,
    ),
    TinySpec("max", "largest value of each component over the tokens", pooling="max"),
    TinySpec(
        "sqrt",
        "sum over the square root of the number of tokens, not normalised",
        pooling="mean_sqrt_len_tokens",
        normalise=False,
    ),
    TinySpec(
        "weighted",
        "mean weighted by position from 1; prompts named query and passage, the latter by default",
        pooling="weightedmean",
        prompts={"query": "query: ", "passage": "passage: "},
        default_prompt="passage",
    ),
    TinySpec(
        "concatenated",
        "CLS and mean one after the other: twice the width",
        pooling=("cls", "mean"),
    ),
    TinySpec(
        "relu",
        "another activation; an extra buffer embeddings.position_ids, and no pooler",
        activation="relu",
        tensors="position ids",
    ),
    TinySpec(
        "masked_lm",
        "tensors named bert.*, beside cls.* of a head to be ignored; gelu_new",
        tensors="masked language model",
        activation="gelu_new",
        layer_norm_eps=1e-5,
        layers=2,
    ),
    TinySpec("float16", "weights in float16", dtype="float16"),
    TinySpec("bfloat16", "weights in bfloat16", dtype="bfloat16"),
    TinySpec(
        "resaved",
        "written by sentence-transformers 6.2 itself: new module names and pooling keys, the "
        "window in tokenizer_config.json",
        pooling="cls",
        prompts={"query": "query: "},
        max_seq_length=24,
        resaved=True,
    ),
)


def tokenizer_files(spec: TinySpec) -> dict[str, object]:
    """tokenizer.json, tokenizer_config.json and special_tokens_map.json of one checkpoint."""
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    settings: dict[str, object] = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": spec.lowercase,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": spec.tokenizer_limit,
    }
    return {
        "tokenizer.json": _tokenizer(spec, list(special.values())),
        "tokenizer_config.json": settings | special,
        "special_tokens_map.json": special,
    }


def _tokenizer(spec: TinySpec, special: list[str]) -> dict[str, object]:
    entries = vocabulary()
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": entries[token], "content": token, "special": True} | plain
            for token in sorted(special, key=entries.__getitem__)
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": spec.file_lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _template(entries),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": entries,
        },
    }


def _template(entries: dict[str, int]) -> dict[str, object]:
    single = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    second = [
        {"Sequence": {"id": "B", "type_id": 1}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
    ]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *second],
        "special_tokens": {
            token: {"id": token, "ids": [entries[token]], "tokens": [token]}
            for token in ("[CLS]", "[SEP]")
        },
    }

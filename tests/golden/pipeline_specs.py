"""What each tiny dense folder looks like, body by body: plain data, and the files it stands for.

They are whole pipelines: a tokeniser of the family's own kind, its body, a pooling, and what comes
after. Most have something in tokenizer.json that tokenizer_config.json overrides.
"""

from dataclasses import dataclass, field
from typing import Any

from texts import TINY_TEXTS
from tiny_specs import POOLING_KEYS

INSTRUCTION = "Instruct: Given a question, find the passage that answers it\nQuery: "

TEXTS: dict[str, str] = TINY_TEXTS | {
    "full width and ligature": "Ｌｏｏｓｅ\u3000ﬁne²  paper",
    "tokens of all kinds": "a <mask>  b <s> [CLS] </s> <|endoftext|> <|im_end|> [PAD]<pad> c",
    "contractions": "It's 42 books; THEY'LL look\r\n\r\n\tfor   them ...",
    "combining": "e\u0301 E\u0301 \ufb01 \u1e9b\u0323",
    "blank lines": "\n\nloose\n\n\npaper \n",
}

WIDTH = 16


@dataclass(frozen=True)
class PipelineSpec:
    """One folder. ``config`` is of the body, ``tokeniser`` a function of ``tiny_tokenisers``.

    ``settings`` go into tokenizer_config.json, ``file`` replaces parts of tokenizer.json; ``steps``
    are (module kind, config) after the pooling. ``cuts`` are dimensions for which golden vectors
    are made by ``before_cut``.
    """

    name: str
    what: str
    body: str
    tokeniser: str
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    file: dict[str, Any] = field(default_factory=dict)
    pooling: str = "mean"
    include_prompt: bool = True
    prompts: dict[str, str] = field(default_factory=dict)
    max_seq_length: int | None = 32
    steps: tuple[tuple[str, dict[str, Any]], ...] = (("Normalize", {}),)
    cuts: tuple[int, ...] = ()

    def files(self) -> dict[str, object]:
        """The files of sentence-transformers, the modules' own among them."""
        window = {} if self.max_seq_length is None else {"max_seq_length": self.max_seq_length}
        pooling: dict[str, object] = {"word_embedding_dimension": WIDTH}
        pooling |= {key: mode == self.pooling for key, mode in POOLING_KEYS.items()}
        pooling["include_prompt"] = self.include_prompt
        kinds = ["Transformer", "Pooling", *(kind for kind, _ in self.steps)]
        paths = ["", *(f"{place}_{kind}" for place, kind in enumerate(kinds) if place)]
        modules = [
            {
                "idx": place,
                "name": str(place),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for place, (kind, path) in enumerate(zip(kinds, paths, strict=True))
        ]
        own = {f"{path}/config.json": config for path, (_, config) in
               zip(paths[2:], self.steps, strict=True) if config}  # fmt: skip
        return {
            "modules.json": modules,
            "sentence_bert_config.json": window | {"do_lower_case": False},
            "config_sentence_transformers.json": {"prompts": self.prompts},
            "1_Pooling/config.json": pooling,
            **own,
        }


def _dense(inputs: int, outputs: int, activation: str, **more: object) -> tuple[str, dict]:
    return "Dense", {
        "in_features": inputs,
        "out_features": outputs,
        "activation_function": f"torch.nn.modules.{activation}",
        **more,
    }


_E5 = {"query": "query: ", "document": "passage: "}
_METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}

SPECS = (
    PipelineSpec(
        "roberta",
        "tokenizer.json puts a blank before the text, tokenizer_config.json does not",
        body="roberta",
        tokeniser="roberta",
        config={"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1},
        settings={"tokenizer_class": "RobertaTokenizer"},
        file={
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            }
        },
    ),
    PipelineSpec(
        "roberta_prefix",
        "tokenizer_config.json puts a blank before the text; CLS pooling; window of 24",
        body="roberta",
        tokeniser="roberta",
        config={"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1},
        settings={"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True},
        pooling="cls",
        prompts={"query": "query: "},
        max_seq_length=24,
    ),
    PipelineSpec(
        "xlm_roberta",
        "no WhitespaceSplit in tokenizer.json; the prompt is read but not pooled",
        body="xlm-roberta",
        tokeniser="xlm_roberta",
        config={"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1},
        settings={"tokenizer_class": "XLMRobertaTokenizerFast"},
        file={"pre_tokenizer": _METASPACE},
        include_prompt=False,
        prompts=_E5,
    ),
    PipelineSpec(
        "multilingual",
        "a BERT body with XLM-RoBERTa's tokeniser, as multilingual-e5-small",
        body="bert",
        tokeniser="xlm_roberta",
        config={"max_position_embeddings": 64},
        settings={"tokenizer_class": "XLMRobertaTokenizer"},
        prompts=_E5,
    ),
    PipelineSpec(
        "mpnet",
        "tokenizer.json is cased, tokenizer_config.json is not",
        body="mpnet",
        tokeniser="mpnet",
        config={"max_position_embeddings": 66, "pad_token_id": 1},
        settings={"tokenizer_class": "MPNetTokenizer", "do_lower_case": True},
        file={
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": False,
            }
        },
    ),
    PipelineSpec(
        "distilbert",
        "no tokenizer_class: the body decides; Dense with tanh, then LayerNorm",
        body="distilbert",
        tokeniser="mpnet",
        config={"max_position_embeddings": 64},
        settings={"cls_token": "<s>", "sep_token": "</s>"},
        steps=(_dense(WIDTH, 12, "activation.Tanh", bias=True), ("LayerNorm", {"dimension": 12})),
    ),
    PipelineSpec(
        "residual",
        "two Dense with residuals, the second to another width with GELU and no bias",
        body="bert",
        tokeniser="mpnet",
        config={"max_position_embeddings": 64},
        settings={"tokenizer_class": "PreTrainedTokenizerFast"},
        steps=(
            _dense(WIDTH, WIDTH, "linear.Identity", bias=True, use_residual=True),
            _dense(WIDTH, 20, "activation.GELU", bias=False, use_residual=True),
            ("Normalize", {}),
        ),
        cuts=(12, 5),
    ),
    PipelineSpec(
        "modernbert",
        "local layers that see 4 to each side; the wrong class in tokenizer_config.json: the file "
        "is all",
        body="modernbert",
        tokeniser="modernbert",
        config={
            "max_position_embeddings": 64,
            "num_hidden_layers": 4,
            "local_attention": 8,
            "global_attn_every_n_layers": 3,
            **dict.fromkeys(("bos_token_id", "cls_token_id"), 327),
            **dict.fromkeys(("eos_token_id", "sep_token_id"), 328),
            "pad_token_id": 329,
        },
        settings={"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True},
        pooling="cls",
        max_seq_length=48,
    ),
    PipelineSpec(
        "qwen",
        "last token, which the tokeniser puts there; padded on the left; an instruction",
        body="qwen3",
        tokeniser="qwen",
        config={
            "max_position_embeddings": 128,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        settings={
            "tokenizer_class": "Qwen2Tokenizer",
            "add_bos_token": False,
            "padding_side": "left",
        },
        file={"normalizer": None},
        pooling="lasttoken",
        prompts={"query": INSTRUCTION, "document": ""},
        max_seq_length=40,
        cuts=(12, 8),
    ),
    PipelineSpec(
        "nomic",
        "layer normalisation before the cut, as nomic-embed-text-v1.5",
        body="nomic_bert",
        tokeniser="mpnet",
        config={"max_position_embeddings": 64},
        settings={"tokenizer_class": "BertTokenizer", "cls_token": "<s>", "sep_token": "</s>"},
        prompts={"query": "search_query: ", "document": "search_document: "},
        cuts=(12, 8, 4),
    ),
    PipelineSpec(
        "left",
        "truncated on the left; special tokens in a text are split",
        body="bert",
        tokeniser="mpnet",
        config={"max_position_embeddings": 64},
        settings={
            "tokenizer_class": "BertTokenizer",
            "cls_token": "<s>",
            "sep_token": "</s>",
            "truncation_side": "left",
            "split_special_tokens": True,
        },
        prompts={"query": "query: "},
        max_seq_length=20,
    ),
)

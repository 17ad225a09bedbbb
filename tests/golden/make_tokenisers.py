"""Make golden token ids of tokenisers whose files contradict each other.

It runs in the reference environment of ``make_dense.py``, after ``make_pipelines.py`` and
``make_matryoshka.py``, whose folders it varies:

    reference/bin/python make_tokenisers.py

``tokenisers.json`` holds the variants of ``VARIANTS``, the texts, and for each variant the name of
the class that transformers made of it and its token ids, text by text.
"""
# pyright: basic, reportMissingImports=false

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

from make_dense import versions
from transformers import AutoTokenizer

HERE = Path(__file__).parent
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")

TEXTS = (
    "",
    " ",
    "  Loose PAPER\u00a0is lost ",
    "Caf\u00e9 cafe\u0301 \ufb01ne",
    "Ｌｏｏｓｅ\u3000紙本 😀",
    "a <mask> b<s>[CLS] </s><|endoftext|> <bos>[PAD]  [MASK]  c",
    "It's 42,\r\n\r\n they'LL <extra>[Q] look",
)

_LISTED = {
    "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True,
}  # fmt: skip

VARIANTS: dict[str, dict[str, Any]] = {
    "bert cased by configuration": {
        "of": "left",
        "settings": {"do_lower_case": False, "split_special_tokens": None},
    },
    "bert with its accents stripped": {"of": "left", "settings": {"strip_accents": True}},
    "bert that keeps accents": {"of": "left", "settings": {"strip_accents": False}},
    "bert that does not split ideographs": {
        "of": "left",
        "settings": {"tokenize_chinese_chars": False},
    },
    "bert without a post-processor in the file": {
        "of": "left",
        "settings": {"split_special_tokens": None},
        "file": {"post_processor": None},
    },
    "bert of the generic class: the file is all": {
        "of": "left",
        "settings": {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False},
        "file": {"normalizer": {"type": "Lowercase"}},
    },
    "mpnet in BERT's class": {
        "of": "mpnet",
        "settings": {"tokenizer_class": "BertTokenizer", "cls_token": "<s>", "sep_token": "</s>"},
    },
    "mpnet's mask without the blank before it": {
        "of": "mpnet",
        "settings": {"added_tokens_decoder": {"181": {"content": "<mask>", **_LISTED}}},
    },
    "roberta with a blank before the text": {
        "of": "roberta",
        "settings": {"add_prefix_space": True},
        "file": {"pre_tokenizer": None},
    },
    "roberta that ignores its merges": {"of": "roberta", "model": {"ignore_merges": True}},
    "roberta of the generic class": {
        "of": "roberta",
        "settings": {"tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "xlm-roberta without a normaliser": {"of": "xlm_roberta", "file": {"normalizer": None}},
    "xlm-roberta without a blank before words": {
        "of": "xlm_roberta",
        "settings": {"add_prefix_space": False},
    },
    "xlm-roberta of the generic class": {
        "of": "xlm_roberta",
        "settings": {"tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "gemma without byte fallback in the file": {
        "of": "matryoshka",
        "model": {"byte_fallback": False, "fuse_unk": False},
    },
    "gemma told to add no ends": {
        "of": "matryoshka",
        "settings": {"add_bos_token": False, "add_eos_token": False},
    },
    "gemma without its ends in the file": {
        "of": "matryoshka",
        "settings": {"add_bos_token": True, "add_eos_token": True},
        "file": {
            "post_processor": {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": False,
                "use_regex": True,
            }
        },
    },
    "qwen with another split in the file": {
        "of": "qwen",
        "file": {
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            }
        },
    },
    "qwen with a token more": {
        "of": "qwen",
        "settings": {"extra_special_tokens": ["<extra>"]},
    },
    "modernbert in BERT's class: the file is all": {
        "of": "modernbert",
        "settings": {"tokenizer_class": "BertTokenizer"},
    },
    "modernbert with a marker that is an ordinary added token": {
        "of": "modernbert",
        "settings": {
            "added_tokens_decoder": {"331": {**_LISTED, "content": "[Q] ", "special": False}}
        },
    },
    "no class named: the body decides": {"of": "roberta", "settings": {"tokenizer_class": None}},
}


def main() -> None:
    """Write the golden file."""
    found = {}
    for name, variant in VARIANTS.items():
        with tempfile.TemporaryDirectory() as place:
            tokenizer = AutoTokenizer.from_pretrained(varied(variant, Path(place)))
        ids = [tokenizer(text, verbose=False)["input_ids"] for text in TEXTS]
        found[name] = {"variant": variant, "class": type(tokenizer).__name__, "ids": ids}
    record = {"versions": versions(), "texts": TEXTS, "variants": found}
    (HERE / "tokenisers.json").write_text(json.dumps(record) + "\n")


def varied(variant: dict[str, Any], folder: Path) -> Path:
    """The folder that a variant describes: None takes a key out of the configuration."""
    known = HERE / variant["of"]
    original = known if known.is_dir() else HERE / "pipelines" / variant["of"]
    for file in FILES:
        shutil.copy(original / file, folder / file)
    settings = json.loads((folder / FILES[2]).read_text()) | variant.get("settings", {})
    kept = {key: value for key, value in settings.items() if value is not None}
    (folder / FILES[2]).write_text(json.dumps(kept))
    content = json.loads((folder / FILES[1]).read_text()) | variant.get("file", {})
    content["model"] |= variant.get("model", {})
    (folder / FILES[1]).write_text(json.dumps(content))
    return folder


if __name__ == "__main__":
    main()

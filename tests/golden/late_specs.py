"""The texts, checkpoints and variants of ``make_late.py``: plain data."""

from typing import TypedDict

MARKERS = ("[Q] ", "[D] ")

TEXTS = {
    "empty": "",
    "blanks": " \n\t ",
    "words": "loose paper is lost",
    "blanks around": "  loose paper is lost  ",
    "punctuation only": "... !? -- ,;:",
    "cased and accents": "Caf\u00e9 CAFE\u0301 Loose PAPER",
    "unknown": "\u7d19 loose \U0001f600 paper",
    "pieces": "shelving papers, unbound! 42",
    "just the query": "a book and a code on the",
    "long": "loose paper is fragile and gets lost, a book has a place on a shelf. " * 4,
}
SPECIAL_TEXTS = {
    "literal [PAD]": "[PAD] loose [PAD] paper",
    "literal [MASK]": "paper is [MASK]",
    "literal [unused1]": "[unused1] paper [unused0]",
    "literal [Q] ": "[Q] paper [D] book",
    "literal of other models": "<bos> paper [CLS] [SEP]",
}
# Of what is pooled: the factors, and how many tokens at the start are left alone.
POOLING = [[1, 1], [1.5, 1], [2, 1], [2, 0], [3, 2], [5, 1], [100, 1]]
POOLED_LENGTHS = [0, 1, 2, 3, 4, 17, 60]

OWN = "config_sentence_transformers.json"
SETTINGS = "sentence_bert_config.json"


class Variant(TypedDict):
    """A checkpoint, and the changes to its files: keys, or a whole list."""

    checkpoint: str
    changes: dict[str, dict | list]


STANFORD: dict[str, Variant] = {
    "stanford": {"checkpoint": "stanford", "changes": {}},
    "stanford, attended, with punctuation": {
        "checkpoint": "stanford",
        "changes": {
            "artifact.metadata": {"attend_to_mask_tokens": True, "mask_punctuation": False}
        },
    },
}

PYLATE: dict[str, Variant] = {
    "pylate": {"checkpoint": "pylate", "changes": {}},
    "pylate, not filled up, words of its own": {
        "checkpoint": "pylate",
        "changes": {
            OWN: {
                "do_query_expansion": False,
                "skiplist_words": ["paper", ",", "nowhere"],
                "prompts": {"query": "book: ", "document": "code, "},
            }
        },
    },
    "modernbert": {"checkpoint": "modernbert", "changes": {}},
    # Short enough that every local window holds a token that is attended to.
    "modernbert, filled up": {
        "checkpoint": "modernbert",
        "changes": {OWN: {"do_query_expansion": True, "query_length": 7}},
    },
}


def native(modules: list[dict]) -> dict[str, Variant]:
    """Those of the checkpoint that sentence-transformers wrote; ``modules`` is its list."""
    mask = next(module["path"] for module in modules if module["type"].endswith("Mask"))
    pooling = {
        "idx": len(modules),
        "name": str(len(modules)),
        "path": "9_HierarchicalTokenPooling",
        "type": "sentence_transformers.multi_vector_encoder.modules.token_pooling."
        "HierarchicalTokenPooling",
    }
    filling = {"strategy": "min", "attend": True, "length": 10, "token": "[unused3]"}
    skipped = {"skiplist_words": [",", "paper"], "skiplist_tasks": ["query", "document"]}
    pooled = {
        "pool_factor": 2.5, "num_protected_tokens": 1, "normalize_embeddings": True,
        "tasks": ["document"],
    }  # fmt: skip
    return {
        "native": {"checkpoint": "native", "changes": {}},
        "native, filled up at least": {
            "checkpoint": "native",
            "changes": {
                SETTINGS: {"query_length": 16, "query_expansion": filling},
                f"{mask}/config.json": skipped,
            },
        },
        "native, pooled": {
            "checkpoint": "native",
            "changes": {
                "modules.json": [*modules, pooling],
                f"{pooling['path']}/config.json": pooled,
            },
        },
    }


def all_variants(native_modules: list[dict]) -> dict[str, Variant]:
    """Every variant by name."""
    return STANFORD | PYLATE | native(native_modules)

"""The settings of sentence-transformers' MultiVectorEncoder, and what is refused by name."""

from pathlib import Path

import pytest
from tests.encoders.late_checkpoints import copied, late_of, modules, with_modules
from tests.engines.checkpoints import rewrite

from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.layouts import read_layout

OWN = "config_sentence_transformers.json"
SETTINGS = "sentence_bert_config.json"
MASK = "3_MultiVectorMask/config.json"
POOLED = {
    "path": "5_HierarchicalTokenPooling",
    "type": "sentence_transformers.multi_vector_encoder.modules.token_pooling."
    "HierarchicalTokenPooling",
}


@pytest.fixture
def native(tmp_path: Path) -> Path:
    return copied("native", tmp_path)


def pooled(folder: Path, **config: object) -> Path:
    (folder / POOLED["path"]).mkdir()
    rewrite(folder / POOLED["path"] / "config.json", **config)
    return with_modules(folder, *modules(folder), POOLED)


def test_queries_are_filled_up_at_least(native: Path) -> None:
    filling = {"strategy": "min", "length": 10, "token": "[unused3]", "attend": True}
    rewrite(native / SETTINGS, query_expansion=filling, query_length=16)
    late = late_of(native)

    assert (late.query_length, late.expanded_length) == (16, 10)
    assert (late.expansion_token, late.attends_to_expansion) == ("[unused3]", True)
    rewrite(native / SETTINGS, query_length=None)
    assert (late_of(native).query_length, late_of(native).expanded_length) == (40, 10)


def test_without_lengths_the_window_bounds_both(native: Path) -> None:
    rewrite(native / SETTINGS, query_expansion=None, document_length=None)
    late = late_of(native)

    assert (late.query_length, late.document_length, late.expands) == (40, 40, False)


@pytest.mark.parametrize(
    ("expansion", "error", "named"),
    [
        ({"strategy": "max", "length": 12}, UnsupportedModel, "'max'"),
        ({"strategy": "fixed", "length": 12, "side": "left"}, UnsupportedModel, "side"),
        ({"strategy": "fixed"}, ModelBroken, "length"),
        ({"strategy": "fixed", "length": 3}, ModelBroken, "length"),
        ("fixed", ModelBroken, "query_expansion"),
    ],
)
def test_other_ways_to_fill_up_are_refused(
    expansion: object, error: type[Exception], named: str, native: Path
) -> None:
    rewrite(native / SETTINGS, query_expansion=expansion)

    with pytest.raises(error, match=named):
        read_layout(native)


@pytest.mark.parametrize(
    ("prompt", "marker", "text"),
    [
        ("[Q] ", "[Q] ", ""),
        ("[Q] find: ", "[Q] ", "find: "),
        ("find: ", "", "find: "),
        ("[MASK]x", "[MASK]", "x"),
        ("", "", ""),
    ],
)
def test_what_a_prompt_begins_with_may_be_a_marker(
    prompt: str, marker: str, text: str, native: Path
) -> None:
    rewrite(native / OWN, prompts={"query": prompt})
    layout = read_layout(native)

    assert late_of(native).query_marker == marker
    assert layout.card.prompts["query"] == text
    assert late_of(native).document_marker == ""


def test_a_second_token_in_a_prompt_is_refused(native: Path) -> None:
    rewrite(native / OWN, prompts={"query": "[Q] find [MASK]: "})

    with pytest.raises(UnsupportedModel, match=r"'\[MASK\]'"):
        read_layout(native)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, ("document",)),
        ("query", ("query",)),
        (["query", "document"], ("query", "document")),
    ],
)
def test_words_are_skipped_in_the_roles_named(
    said: object, expected: tuple[str, ...], native: Path
) -> None:
    rewrite(native / MASK, skiplist_tasks=said, skiplist_words=["a", ","])

    assert (late_of(native).skipped, late_of(native).skipped_in) == (("a", ","), expected)


def test_without_a_word_on_it_nothing_is_skipped(native: Path) -> None:
    rewrite(native / MASK, skiplist_words=None)

    assert late_of(native).skipped == ()


def test_keeping_tokens_by_id_is_refused(native: Path) -> None:
    rewrite(native / MASK, keep_only_token_ids=[3])

    with pytest.raises(UnsupportedModel, match="keep_only_token_ids"):
        read_layout(native)


def test_a_model_may_pool_its_documents(native: Path) -> None:
    pooled(native, pool_factor=2.5, num_protected_tokens=2, normalize_embeddings=True)

    assert (late_of(native).pooling_factor, late_of(native).protected_tokens) == (2.5, 2)


@pytest.mark.parametrize(
    ("config", "error", "named"),
    [
        ({"pool_factor": 2}, UnsupportedModel, "normalize_embeddings False"),
        (
            {"pool_factor": 2, "normalize_embeddings": True, "tasks": ["query", "document"]},
            UnsupportedModel,
            r"\['query', 'document'\]",
        ),
        ({"pool_factor": 0.5, "normalize_embeddings": True}, ModelBroken, "pool_factor"),
        ({"pool_factor": "2", "normalize_embeddings": True}, ModelBroken, "pool_factor"),
        (
            {"num_protected_tokens": -1, "normalize_embeddings": True},
            ModelBroken,
            "num_protected_tokens",
        ),
    ],
)
def test_other_ways_to_pool_are_refused(
    config: dict, error: type[Exception], named: str, native: Path
) -> None:
    with pytest.raises(error, match=named):
        read_layout(pooled(native, **config))


def _orders(lines: list[dict]) -> dict[str, list[dict]]:
    body, first, second, mask, unit = lines
    return {
        "no body": [first, second, mask, unit],
        "the body last": [first, second, mask, unit, body],
        "no mask": [body, first, second, unit],
        "two masks": [body, first, mask, mask],
        "pooled too early": [body, first, second, mask, POOLED, unit],
    }


@pytest.mark.parametrize("order", _orders([{}] * 5))
def test_other_orders_are_refused(order: str, native: Path) -> None:
    with_modules(native, *_orders(modules(native))[order])

    with pytest.raises(UnsupportedModel, match="in this order in a late-interaction model"):
        read_layout(native)


def test_without_normalising_the_card_says_so(native: Path) -> None:
    with_modules(native, *modules(native)[:-1])

    assert not read_layout(native).card.normalised

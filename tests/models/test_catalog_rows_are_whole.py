"""The rows that ship: each has what its model needs, and says of it what its publisher does."""

import pytest

from bindery.engines.graphs import GRAPHS
from bindery.models.card import BeforeCut, Family, Pooling, supports
from bindery.models.catalog import CATALOG, DEFAULT_MODELS

# The model_type of each, as its publisher says: what decides whether it runs without torch.
ARCHITECTURES = {
    "vanilla": "bert",
    "gemma": "gemma3_text",
    "colbert": "bert",
    "bge-small": "bert",
    "bge-base": "bert",
    "e5-small": "bert",
    "multilingual-e5-small": "bert",
    "gte-modernbert": "modernbert",
    "arctic-s": "bert",
    "arctic-m": "bert",
    "mpnet": "mpnet",
    "nomic": "nomic_bert",
    "qwen3": "qwen3",
    "answerai-colbert": "bert",
    "gte-moderncolbert": "modernbert",
    "lateon": "modernbert",
    "mxbai-edge-colbert": "modernbert",
    "mxbai-edge-colbert-17m": "modernbert",
}


def test_every_row_runs_without_torch():
    assert set(ARCHITECTURES) == set(CATALOG)
    assert set(ARCHITECTURES.values()) <= set(GRAPHS)


@pytest.mark.parametrize("name", CATALOG)
def test_every_row_is_found_by_its_id_and_has_its_weights_last(name):
    entry = CATALOG[name]
    assert entry.id == name
    files = list(entry.release.files)
    assert files[-1] == "model.safetensors"
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} < set(files)
    # Each small file comes before each large one, so that a wrong model is noticed early.
    large = [path.endswith(".safetensors") for path in files]
    assert large == sorted(large)
    assert entry.card.licence


@pytest.mark.parametrize("name", CATALOG)
def test_every_row_has_what_its_family_needs(name):
    entry = CATALOG[name]
    card, needed = entry.card, set(entry.release.files) - entry.release.optional
    assert bool(card.nested_dimensions) == (card.family is Family.MATRYOSHKA)
    assert (card.pooling == (Pooling.TOKENS,)) == (card.family is Family.LATE_INTERACTION)
    if card.family is Family.LATE_INTERACTION:
        # Markers, not prompts, tell their queries from their documents.
        assert not card.prompts
        pylate = {"modules.json", "config_sentence_transformers.json", "1_Dense/config.json"}
        assert pylate <= needed or "artifact.metadata" in needed
    else:
        assert {"modules.json", "1_Pooling/config.json"} <= needed
    assert all(prompt for prompt in card.prompts.values())


def test_no_two_rows_are_the_same_model():
    assert len({entry.card.repository for entry in CATALOG.values()}) == len(CATALOG)
    assert len({entry.card.revision for entry in CATALOG.values()}) == len(CATALOG)


def test_the_defaults_are_one_of_each_family_and_come_first():
    assert tuple(CATALOG)[: len(DEFAULT_MODELS)] == DEFAULT_MODELS
    assert {CATALOG[name].card.family for name in DEFAULT_MODELS} == set(Family)


def test_the_rows_of_the_families_say_what_the_models_are():
    shape = {
        name: (entry.card.family, entry.card.dimensions, entry.card.max_tokens, entry.card.pooling)
        for name, entry in CATALOG.items()
        if name in DEFAULT_MODELS
    }
    assert shape == {
        "vanilla": ("dense", 384, 256, ("mean",)),
        "gemma": ("matryoshka", 768, 2048, ("mean",)),
        "colbert": ("late-interaction", 128, 180, ("tokens",)),
    }
    assert CATALOG["gemma"].card.nested_dimensions == (512, 256, 128)
    assert [name for name, entry in CATALOG.items() if entry.release.gated] == ["gemma"]
    assert CATALOG["gemma"].release.mirrors
    assert CATALOG["vanilla"].release.wheel


def test_only_what_was_held_against_its_files_is_called_verified():
    assert [name for name, entry in CATALOG.items() if entry.verified] == ["vanilla"]


# As the model cards demand them, to the last blank.
PROMPTS = {
    "bge-small": {"query": "Represent this sentence for searching relevant passages: "},
    "bge-base": {"query": "Represent this sentence for searching relevant passages: "},
    "arctic-s": {"query": "Represent this sentence for searching relevant passages: "},
    "arctic-m": {"query": "Represent this sentence for searching relevant passages: "},
    "e5-small": {"query": "query: ", "document": "passage: "},
    "multilingual-e5-small": {"query": "query: ", "document": "passage: "},
    "nomic": {
        "query": "search_query: ",
        "document": "search_document: ",
        "Classification": "classification: ",
        "Clustering": "clustering: ",
    },
    "qwen3": {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the "
        "query\nQuery:"
    },
}


def test_the_prompts_are_those_of_the_model_cards():
    found = {name: entry.card.prompts for name, entry in CATALOG.items() if entry.card.prompts}
    assert found.pop("gemma")
    assert found == PROMPTS


def test_only_nomics_is_changed_before_it_is_cut():
    changed = [
        name for name, row in CATALOG.items() if row.card.before_cut is not BeforeCut.NOTHING
    ]
    assert changed == ["nomic"]
    assert CATALOG["nomic"].card.before_cut is BeforeCut.LAYER_NORM


@pytest.mark.parametrize(
    ("model", "supported", "other"),
    [
        ("vanilla", {"en"}, {"de", "zh"}),
        ("colbert", {"en"}, {"de", "zh"}),
        ("gemma", {"en", "de", "zh", "sw"}, set()),
        ("multilingual-e5-small", {"en", "de", "zh", "no", "nb", "nn"}, {"mt", "yo"}),
    ],
)
def test_every_row_says_for_which_languages_its_model_is_meant(model, supported, other):
    languages = CATALOG[model].card.languages
    assert {one: supports(languages, one) for one in supported} == dict.fromkeys(supported, True)
    assert {one: supports(languages, one) for one in other} == dict.fromkeys(other, False)
    assert supports(languages, "") is None
    assert supports((), "en") is None
    assert all(entry.card.languages for entry in CATALOG.values())


def test_gemmas_prompts_end_in_a_blank():
    prompts = CATALOG["gemma"].card.prompts
    assert prompts["query"] == "task: search result | query: "
    assert prompts["document"] == "title: none | text: "
    assert all(prompt.endswith(": ") for prompt in prompts.values())

"""How much meaning weighs against words: by the languages of query, passage and model."""

import numpy as np
import pytest

from bindery.models.catalog import CATALOG
from bindery.options import SearchOptions
from bindery.search.fusion import only_leg, weighted, z_scores
from bindery.search.language import language_of_query, weight_of

ENGLISH = "A key is revoked with the command revoke. After that nobody can use the key any more."
GERMAN = "Ein Schlüssel wird mit dem Befehl revoke widerrufen. Danach kann ihn niemand benutzen."
LANGUAGES = {
    "English": CATALOG["vanilla"].card.languages,
    "multilingual": CATALOG["multilingual-e5-small"].card.languages,
    "not known": (),
}


@pytest.mark.parametrize(
    ("model", "query", "passage", "weight"),
    [
        ("English", "en", "en", 0.6),
        ("English", "de", "de", 0.2),
        ("English", "en", "de", 0.2),
        ("English", "de", "en", 0.2),
        ("English", "", "en", 0.5),
        ("English", "", "de", 0.2),
        ("English", "en", "", 0.5),
        ("multilingual", "de", "de", 0.6),
        ("multilingual", "de", "en", 0.8),
        ("multilingual", "", "zh", 0.5),
        ("multilingual", "mt", "mt", 0.2),
        ("not known", "de", "de", 0.6),
        ("not known", "de", "en", 0.6),
        ("not known", "", "en", 0.5),
    ],
)
def test_the_weight_follows_the_languages(model, query, passage, weight):
    found = weight_of(query, passage, LANGUAGES[model])
    assert found.value == weight
    assert found.reason


def test_the_answer_says_which_weight_was_used_and_why(sample):
    sample.add({"en.txt": ENGLISH, "de.txt": GERMAN})

    answer = sample.collection.search("How do I revoke a key?")

    assert answer.language == "en"
    assert {(one.weight, one.candidates) for one in answer.weights} == {(0.6, 1), (0.2, 1)}
    assert {one.reason for one in answer.weights} == {
        "query and passage have the same language",
        "the model is not meant for the language",
    }
    assert answer.facts()["weights"][0].keys() == {"weight", "reason", "candidates"}
    chosen = sample.collection.search("How do I revoke a key?", SearchOptions(weight=0.3))
    assert [(one.weight, one.candidates) for one in chosen.weights] == [(0.3, 2)]
    assert not sample.collection.search("revoke", SearchOptions("lexical")).weights


def test_without_a_matching_word_meaning_decides_alone(sample):
    sample.add({"en.txt": ENGLISH, "de.txt": GERMAN})

    answer = sample.collection.search("withdrawal of credentials")

    assert [(one.weight, one.reason) for one in answer.weights] == [
        (1.0, "no word tells the candidates apart")
    ]
    assert len(answer.hits) == 2
    assert all(np.isfinite(hit.score) for hit in answer.hits)


@pytest.mark.parametrize(
    ("dense", "lexical", "only"),
    [
        ([0.1, 0.3], [0, 0], 1),
        ([0.1, 0.3], [2, 2], 1),
        ([0.2, 0.2], [0, 1], 0),
        ([0.2, 0.2], [0, 0], 1),
        ([0.2], [1], 1),
        ([0.1, 0.3], [0, 1], None),
    ],
)
def test_fusion_is_defined_to_the_end(dense, lexical, only):
    d, w = np.array(dense, dtype=np.float32), np.array(lexical, dtype=np.float32)
    assert only_leg(d, w) == only
    mixed = weighted(d, w, 0.6)
    assert np.isfinite(mixed).all()
    if only is not None:
        np.testing.assert_array_equal(mixed, z_scores(d if only else w))


def test_each_candidate_has_its_own_weight():
    d, w = np.array([0.1, 0.5, 0.3], np.float32), np.array([3, 0, 1], np.float32)
    mixed = weighted(d, w, np.array([1, 0, 0.5], np.float32))
    expected = [z_scores(d)[0], z_scores(w)[1], (z_scores(d)[2] + z_scores(w)[2]) / 2]
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("query", "languages", "found"),
    [
        ("Wie kann ich einen Schlüssel widerrufen?", ["en"], "de"),
        ("How do I revoke a key?", ["zh"], "en"),
        ("外币汇率换算", ["en"], "zh"),
        ("東京はどこですか", ["zh", "en"], "ja"),
        ("漢字", ["ja"], "ja"),
        ("서버 설정", [], "ko"),
        ("Что это такое?", ["en"], "ru"),
        # One stop word of another language may be a name.
        ("Die Hard", ["en"], ""),
        ("the war on men", ["en"], "en"),
        ("GitHub备份 script", ["en", "zh"], "zh"),
        ("", ["en"], ""),
        ("revocation", ["en"], ""),
    ],
)
def test_the_language_of_a_query_may_be_one_that_the_collection_lacks(query, languages, found):
    assert language_of_query(query, languages) == found

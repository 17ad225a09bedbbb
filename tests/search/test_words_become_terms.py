"""The analyser: one for documents and queries, so that what means the same meets."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindery.errors import InvalidValue
from bindery.search import index
from bindery.search.analysis import Analyser, TermFinder
from bindery.search.language import language_of_query, stop_words
from bindery.search.queries import check_queries, read_query
from bindery.search.segments import TERMS_VERSION

ENGLISH, GERMAN, FRENCH, NONE = (Analyser(language) for language in ("en", "de", "fr", ""))


def meet(query: str, text: str, analyser: Analyser = NONE) -> bool:
    """Whether any word of the query is in the text."""
    terms = set(analyser.terms(text))
    return not terms.isdisjoint(read_query(query, {"": analyser}).terms)


@pytest.mark.parametrize(
    ("one", "other", "analyser"),
    [
        ("café", "cafe", FRENCH),
        ("résumé", "resume", FRENCH),
        ("Straße", "Strasse", GERMAN),
        ("Müller", "Mueller", GERMAN),
        ("Müller", "Muller", GERMAN),
        ("Böhme", "Boehme", GERMAN),
        ("Ämter", "amter", GERMAN),
        ("running", "Runs", ENGLISH),
        ("Größe", unicodedata.normalize("NFD", "größe"), GERMAN),
        ("학점인정", unicodedata.normalize("NFD", "학점인정"), NONE),
        ("ﬁle", "file", NONE),
        ("soft\u00adhyphen", "softhyphen", NONE),
        ("zero\u200bwidth", "zerowidth", NONE),
        ("ёлка", "елка", NONE),
        ("كِتَاب", "كتاب", NONE),
        ("Αθήνα", "αθηνα", NONE),
        ("Hà Nội", "ha noi", NONE),
        ("İstanbul", "istanbul", NONE),
        ("ＩＳＯ", "iso", NONE),
        ("２０１８", "2018", NONE),
        ("٢٠١٨", "2018", NONE),
        ("zero\u200dwidth", "zerowidth", NONE),
        # Folded before they are stemmed: the stemmer would leave é alone.
        ("CAFÉS", "cafe", FRENCH),
        ("Größere", "grossere", GERMAN),
    ],
)
def test_spellings_of_one_word_meet_in_both_directions(one, other, analyser):
    assert meet(one, other, analyser)
    assert meet(other, one, analyser)


@pytest.mark.parametrize(
    ("code", "others"),
    [
        ("ISO-9001:2015", ["ISO-9001:2008", "ISO-14001"]),
        ("C++", ["C", "C#"]),
        ("TS 38.101-1", ["TS 38.401"]),
        ("$2,400,000", ["$2,400"]),
        ("v1.1.6", ["v1.6.1"]),
        ("NIMB-018", ["NIMB-081"]),
        ("FY2018", ["FY2019"]),
        ("report_final.pdf", ["report_first.pdf"]),
    ],
)
def test_a_code_has_a_term_that_no_other_code_has(code, others):
    whole = set(NONE.terms(f"see {code} there"))
    for other in others:
        assert whole - set(NONE.terms(f"see {other} there"))


@pytest.mark.parametrize("dash", "\u2010\u2011\u2012\u2013\u2212")
def test_a_code_has_one_term_whatever_dash_it_is_written_with(dash):
    assert NONE.terms(f"ISO{dash}9001") == NONE.terms("ISO-9001")


def test_a_code_is_also_its_parts():
    assert {"fy", "2018", "fy2018"} <= set(NONE.terms("FY2018"))
    assert {"iso", "9001", "2015"} <= set(NONE.terms("ISO-9001:2015"))


def test_a_border_of_scripts_divides_words():
    assert meet("SSH", "SSH密钥服务器配置")
    assert meet("密钥", "SSH密钥服务器配置")
    assert meet("GitHub", "GitHub备份脚本上传失败")


def test_two_ideographs_do_not_match_the_same_two_apart():
    assert meet("备份", "GitHub备份脚本")
    assert not meet("备份", "备用的一份文件")
    assert meet("玩", "今天玩成语接龙游戏")


def test_emoji_are_words():
    assert meet("🚀", "🚀 launch day")
    assert meet("👩\u200d🚀", "👩\u200d🚀 launch day")
    assert meet("👍🏽", "👍 fine")
    assert not meet("🚀", "launch day")


@pytest.mark.parametrize("text", ["-", "*", "**", ":", '"', "'", "(", ")", "…", "???", "` ^ ~"])
def test_punctuation_alone_is_no_word_and_no_error(text):
    check_queries([text])
    assert not read_query(text, {"en": ENGLISH}).words


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "\n", "\ufeff \t"])
def test_a_blank_query_is_refused(text):
    with pytest.raises(InvalidValue, match=r"The query is blank\. Send at least one word\."):
        check_queries([text])


def test_stop_words_are_left_out_if_there_is_another_word():
    words = read_query("How do I revoke a key?", {"en": ENGLISH}, language="en").words
    assert [word.terms for word in words] == [("revok",), ("key",)]
    alone = read_query("to be or not to be", {"en": ENGLISH}, language="en")
    assert len(alone.words) == 6


def test_a_quoted_phrase_keeps_its_stop_words():
    query = read_query('"to be or not" question', {"en": ENGLISH}, language="en")
    assert [[word.terms for word in phrase] for phrase in query.phrases] == [
        [("to",), ("be",), ("or",), ("not",)]
    ]
    assert ("to",) in [word.terms for word in query.words]


def test_a_word_has_the_terms_of_every_language_of_the_collection():
    (word,) = read_query("running", {"en": ENGLISH, "": NONE}).words
    assert set(word.terms) == {"run", "running"}


def test_a_short_query_of_unknown_language_finds_texts_of_every_language():
    analysers = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "": NONE}
    for text, language in [("Häuser", "de"), ("revocations", "en"), ("jardins", "fr"), ("x1", "")]:
        query = read_query(text, analysers)
        assert not query.terms.isdisjoint(analysers[language].terms(f"{text} ."))


def test_stop_words_are_never_left_out_of_an_index():
    assert ENGLISH.terms("The Who and the IT team") == ["the", "who", "and", "the", "it", "team"]


def test_stop_words_of_the_language_of_the_query_are_left_out():
    analysers = {"en": ENGLISH, "de": GERMAN}
    query = read_query("Wie alt ist die Brücke?", analysers, language="de")
    left = {term for word in query.words for term in word.terms}
    assert {"alt"} <= left
    assert left.isdisjoint({"wie", "ist", "die"})
    # "die" is a word of an English query.
    query = read_query("Why do stars die?", analysers, language="en")
    assert "die" in {term for word in query.words for term in word.terms}


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("How do I revoke a key?", "en"),
        ("Wie kann ich einen Schlüssel widerrufen?", "de"),
        ("外币汇率换算", "zh"),
        ("revocation", ""),
    ],
)
def test_the_language_of_a_query_is_told_by_script_and_stop_words(query, language):
    assert language_of_query(query, ["en", "de", "zh"]) == language


def test_the_lists_of_stop_words_are_there():
    for language in ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "ru", "pl"):
        assert len(stop_words(language)) > 50
    assert stop_words("nb") == stop_words("no")
    assert stop_words("xx") == frozenset()


@given(st.text())
def test_tokens_lie_in_the_text_and_never_fail(text):
    terms = []
    for token in GERMAN.tokens(text):
        assert 0 <= token.span.start < token.span.end <= len(text)
        assert token.terms
        assert all(term and not any(char.isspace() for char in term) for term in token.terms)
        terms.extend(token.terms)
    assert GERMAN.terms(text) == terms


@given(st.text(min_size=1))
def test_whatever_is_written_finds_itself(text):
    query = read_query(text, {"de": GERMAN})
    assert query.terms <= set(GERMAN.terms(text))


@given(st.text(), st.text())
def test_places_of_terms_are_those_of_the_tokens_that_have_them(text, query):
    terms = frozenset(GERMAN.terms(query)) | frozenset(GERMAN.terms(text)[:3])
    finder = TermFinder(GERMAN, terms)
    for some in (text, f"{query} {text}", text):
        found = [one.span for one in GERMAN.tokens(some) if not terms.isdisjoint(one.terms)]
        assert list(finder.spans(some)) == found


PROBE = """Straße Müller's café, ISO-9001:2015 and C++ v1.1.6: FY2018 🚀 running re-used e-mail
ﬁles don\u2019t 外币汇率换算 GitHub备份脚本 한국어를 ภาษาไทย
Größe\u0308n soft\u00adhyphen 1,234.50 x_y κόσμος ёлка"""


def test_whoever_changes_the_terms_counts_their_version_up():
    """Otherwise the segments that are there would keep the former terms."""
    terms = [Analyser(language).terms(PROBE) for language in ("en", "de", "fr", "zh", "ru", "")]
    digest = hashlib.sha256(repr((terms, index._TITLE_WEIGHT)).encode()).hexdigest()
    assert (TERMS_VERSION, digest[:16]) == (2, "2b272b7f077f46d2")

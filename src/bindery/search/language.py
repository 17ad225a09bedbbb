"""Languages in a search: which one a query is in, what they weigh, and which model suits them.

Languages are ISO 639-1 codes, and empty if they cannot be told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from shlex import quote

from bindery.models.card import supports
from bindery.models.catalog import CATALOG
from bindery.search.characters import CharClass, class_of, plain, script_of

# The language of a script that no other language of note is written in; of CJK, see _by_script.
_OF_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "THAI": "th", "GREEK": "el",
    "HEBREW": "he", "ARMENIAN": "hy", "GEORGIAN": "ka", "TAMIL": "ta", "KHMER": "km", "LAO": "lo",
    "MYANMAR": "my",
}  # fmt: skip

# One stop word of a language that a collection does not have may be a name: "Die Hard".
_LEAST_FOREIGN = 2


def language_of_query(text: str, languages: Iterable[str]) -> str:
    """The language of a query to texts in some languages: by its script, or by its stop words.

    A query is too short for statistics over letters. The languages of the texts come first: another
    one is taken if the query has at least two more stop words of it, and of no other as many.
    """
    known = [one for one in dict.fromkeys(languages) if one]
    if found := _by_script(text, known):
        return found
    words = [plain(word).strip("?!.,;:\"'()") for word in text.split()]
    votes = {one: sum(word in stops for word in words) for one, stops in _stop_lists().items()}
    own, of_own = _most(votes, known)
    other, of_other = _most(votes, [one for one in votes if one not in known])
    if of_other >= of_own + _LEAST_FOREIGN:
        return other
    return own if of_own else ""


def _most(votes: Mapping[str, int], languages: Iterable[str]) -> tuple[str, int]:
    """Which of the languages has the most votes, and how many; no language if several have."""
    ranked = Counter({one: votes.get(one, 0) for one in languages}).most_common(2)
    if not ranked:
        return "", 0
    is_clear = len(ranked) == 1 or ranked[0][1] > ranked[1][1]
    return ranked[0][0] if is_clear else "", ranked[0][1]


def _by_script(text: str, known: Iterable[str]) -> str:
    letters = {CharClass.LETTER, CharClass.IDEOGRAPH}
    scripts = {script_of(char) for char in text if class_of(char) in letters}
    for script, language in _OF_SCRIPTS.items():
        if script in scripts:
            return language
    if "CJK" in scripts:  # Japanese without kana is rare
        return "ja" if "ja" in known and "zh" not in known else "zh"
    return ""


def stop_words(language: str) -> frozenset[str]:
    """The stop words of a language, in plain form; empty if it has no list."""
    return _stop_lists().get({"nb": "no", "nn": "no"}.get(language, language), frozenset())


@cache
def _stop_lists() -> Mapping[str, frozenset[str]]:
    lines = (files("bindery.search") / "stopwords.txt").read_text(encoding="utf-8").splitlines()
    lists = (line.partition(": ") for line in lines if not line.startswith("#"))
    return {code: frozenset(map(plain, words.split())) for code, _, words in lists}


_MOSTLY = 0.5


def unsuited(
    collection: str, model: str, of_model: Sequence[str], chunks: Mapping[str, int]
) -> str:
    """A warning that names a better model, if most chunks are in languages that one is not for.

    ``of_model`` are the languages of the model's card, ``chunks`` counts chunks by language. Empty
    if the model suits them, or if the languages of the model or of most chunks are not known.
    """
    outside = {one: n for one, n in chunks.items() if supports(of_model, one) is False}
    if sum(outside.values()) <= _MOSTLY * sum(chunks.values()):
        return ""
    language, count = max(outside.items(), key=lambda item: item[1])
    share = round(100 * count / sum(chunks.values()))
    better = next(
        (
            entry.id
            for entry in CATALOG.values()
            if supports(entry.card.languages, language) and not entry.release.gated
        ),
        "FOLDER (a model of your own)",
    )
    return (
        f"{share}% of the chunks are in the language {language!r}, which the model {model} is not "
        "meant for, so a search by meaning misses many of them. Rebuild the collection with a "
        f"model that is: bindery collections rebuild {quote(collection)} --model {better}"
    )


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of meaning against words for a candidate, 0 to 1, and the reason for it."""

    value: float
    reason: str


USUAL_WEIGHT = Weight(0.6, "default")
_NOT_MEANT = Weight(0.2, "the model is not meant for the language")
_NOT_KNOWN = Weight(0.5, "the language is not known")
_ACROSS = Weight(0.8, "query and passage differ in language")
_SAME = Weight(USUAL_WEIGHT.value, "query and passage have the same language")


def chosen_weight(of_query: float | None, of_collection: float | None) -> Weight | None:
    """The weight that a query or a collection asks for, if one of them does."""
    if of_query is not None:
        return Weight(of_query, "chosen for the query")
    if of_collection is not None:
        return Weight(of_collection, "chosen for the collection")
    return None


def weight_of(query: str, passage: str, of_model: Sequence[str]) -> Weight:
    """The weight for a query and a passage by their languages, and by those of the model's card.

    Measured as nDCG@10 on 24 pairs of a collection and a model: .6 is best where a model knows the
    language, .2 where it does not, and .8 across languages, in which words do not match.
    """
    supported = [supports(of_model, one) for one in (query, passage)]
    if False in supported:
        return _NOT_MEANT
    if not query or not passage:
        return _NOT_KNOWN
    if query == passage:
        return _SAME
    return _ACROSS if all(supported) else USUAL_WEIGHT

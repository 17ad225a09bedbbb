"""The language of a query (ISO 639-1), empty if it cannot be told."""

from collections import Counter
from collections.abc import Iterable

from bindery.search.characters import CharClass, class_of, plain, script_of
from bindery.search.queries import stop_words

# The only language of note that is written in a script.
_OF_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "THAI": "th", "GREEK": "el",
    "HEBREW": "he", "ARMENIAN": "hy", "GEORGIAN": "ka", "TAMIL": "ta", "KHMER": "km", "LAO": "lo",
    "MYANMAR": "my", "CJK": "zh",
}  # fmt: skip


def language_of_query(text: str, languages: Iterable[str]) -> str:
    """Which of some languages a query is in: by its script, or by its stop words; else empty.

    A query is too short for statistics over letters. One language alone is taken if any of its
    stop words is there and those of no other.
    """
    known = [one for one in languages if one]
    for char in text:
        if class_of(char) in {CharClass.LETTER, CharClass.IDEOGRAPH}:
            found = _OF_SCRIPTS.get(script_of(char), "")
            if found in known:
                return found
    words = [plain(word).strip("?!.,;:\"'()") for word in text.split()]
    votes = Counter(
        {one: sum(word in stop_words(one) for word in words) for one in dict.fromkeys(known)}
    ).most_common(2)
    if not votes or not votes[0][1]:
        return ""
    is_clear = len(votes) == 1 or votes[0][1] > votes[1][1]
    return votes[0][0] if is_clear else ""

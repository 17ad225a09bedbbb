"""The language of a document."""

from functools import cache
from importlib import import_module
from typing import Any

_SAMPLED_CHARACTERS = 4000
# Below this the library guesses: "ok" is Polish to it.
_LEAST_LETTERS = 20
_LEAST_PROBABILITY = 0.8


def language_of(text: str) -> str:
    """The language of a text (ISO 639-1); empty for a short text and if it is not clear.

    Found by py3langid (Lui and Baldwin, 2012).
    """
    sample = _sample(text)
    if sum(char.isalpha() for char in sample) < _LEAST_LETTERS:
        return ""
    language, probability = _identifier().classify(sample)
    return str(language) if probability >= _LEAST_PROBABILITY else ""


@cache  # it takes half a second to load, and half a millisecond for a text
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    langid = import_module("py3langid.langid")
    found = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    # Longer codes are of languages that it takes for others, and of no language at all.
    found.set_languages([one for one in found.labels if len(one) == 2])
    return found


def _sample(text: str) -> str:
    """The middle of a text: its beginning may be a cover or a table of contents."""
    start = max(0, (len(text) - _SAMPLED_CHARACTERS) // 2)
    return " ".join(text[start : start + _SAMPLED_CHARACTERS].split())

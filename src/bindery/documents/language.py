"""The language of a document."""

from importlib import import_module
from typing import Any

_SAMPLED_CHARACTERS = 4000
# Below this the library guesses: "ok" is Polish to it.
_LEAST_LETTERS = 20
_LEAST_PROBABILITY = 0.8


class LanguageFinder:
    """Finds the language of documents by py3langid (Lui and Baldwin, 2012), loaded on first use."""

    def __init__(self) -> None:
        self._identifier: Any = None

    def find(self, text: str) -> str:
        """The language of a text (ISO 639-1); empty for a short text and if it is not clear."""
        sample = _sample(text)
        if sum(char.isalpha() for char in sample) < _LEAST_LETTERS:
            return ""
        if self._identifier is None:
            langid = import_module("py3langid.langid")
            self._identifier = langid.LanguageIdentifier.from_model_file(
                langid.MODEL_FILE, norm_probs=True
            )
            # Longer codes are of languages that it takes for others, and of no language at all.
            known = [one for one in self._identifier.labels if len(one) == 2]
            self._identifier.set_languages(known)
        language, probability = self._identifier.classify(sample)
        return str(language) if probability >= _LEAST_PROBABILITY else ""


def _sample(text: str) -> str:
    """The middle of a text: its beginning may be a cover or a table of contents."""
    start = max(0, (len(text) - _SAMPLED_CHARACTERS) // 2)
    return " ".join(text[start : start + _SAMPLED_CHARACTERS].split())

"""What clients may call a model: by its id, or by the name of its repository, in any case."""

from collections.abc import Mapping

from bindery.library import DEFAULT_MODEL
from bindery.models.card import Entry

# Ollama names a model's variant after a colon, and this is the one where none is named.
_OLLAMA_TAG = ":latest"


class ModelNames:
    """The names of a catalog's models.

    Of two rows with the same repository the first has its name.
    """

    def __init__(self, catalog: Mapping[str, Entry]) -> None:
        self._ids: dict[str, str] = {}
        for model_id, entry in reversed(list(catalog.items())):
            self._ids[entry.card.repository.casefold()] = model_id
        self._ids |= {model_id.casefold(): model_id for model_id in catalog}

    def model_id(self, name: str) -> str:
        """The id of a row, of :data:`DEFAULT_MODEL` for no name; what is unknown stays as it is."""
        plain = name.removesuffix(_OLLAMA_TAG).casefold()
        return self._ids.get(plain, name) if plain else DEFAULT_MODEL

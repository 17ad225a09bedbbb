"""What dialects have in common: texts or token ids, and whether to cut what is too long."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from bindery.errors import InvalidValue
from bindery.faces.http.dialects.base import Inputs
from bindery.types import DOCUMENT, QUERY, Role, Truncate

MAX_TEXTS = 2048
"""Texts in one request, as OpenAI has it."""

MAX_DOCUMENTS = 1000
"""Documents to order in one request, as Cohere has it."""

_TRUNCATE: Mapping[str, Truncate] = {
    "end": Truncate.END,
    "right": Truncate.END,
    "start": Truncate.START,
    "left": Truncate.START,
    "none": Truncate.ERROR,
    "error": Truncate.ERROR,
}
"""What vendors call the side that is cut, or nothing being cut."""


def inputs_of(given: object, param: str) -> Inputs:
    """A text, token ids, or a list of either, as a list of one kind.

    A list's items may be objects with a ``text``. Raises InvalidValue that names the first item at
    fault, and for no items at all.
    """
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise InvalidValue(
            f"{param} is neither a text nor a list of texts.",
            remedy="Send a text, or a list of at least one.",
            param=param,
        )
    items = cast("list[Any]", given)
    if type(items[0]) is int:
        return [_checked_ids(items, param)]
    if isinstance(items[0], list):
        _check_count(items, param, MAX_TEXTS)
        return [_checked_ids(ids, f"{param}[{place}]") for place, ids in enumerate(items)]
    return texts_of(items, param)


def texts_of(items: list[Any], param: str, *, most: int = MAX_TEXTS) -> list[str]:
    """The items, texts or objects with a ``text``, as texts; perhaps none.

    Raises InvalidValue for too many, and that names the first that is no text.
    """
    _check_count(items, param, most)
    if set(map(type, items)) <= {str}:  # ten times as fast as looking at one after the other
        return items
    return [_text_of(item, f"{param}[{place}]", param) for place, item in enumerate(items)]


def documents_of(given: object, param: str) -> list[list[str]]:
    """Documents, each a list of the texts of its chunks.

    Raises InvalidValue that names the first item at fault, for too many chunks of all documents
    together and for none.
    """
    if not isinstance(given, list) or not given:
        raise InvalidValue(
            f"{param} is no list of documents.",
            remedy="Send a list of documents, each the list of its chunks.",
            param=param,
        )
    items = cast("list[Any]", given)
    _check_count(items, param, MAX_DOCUMENTS)
    documents = [_chunks_of(one, f"{param}[{place}]", param) for place, one in enumerate(items)]
    _check_count([chunk for chunks in documents for chunk in chunks], param, MAX_TEXTS)
    return documents


def truncation_of(given: object, *, default: Truncate, param: str) -> Truncate:
    """What becomes of a text that is too long: a word for the side to cut, or whether to cut.

    Raises InvalidValue for another word.
    """
    if given is None:
        return default
    if isinstance(given, bool):
        return Truncate.END if given else Truncate.ERROR
    found = _TRUNCATE.get(given.casefold()) if isinstance(given, str) else None
    if found is None:
        raise InvalidValue(
            f"{param} is none of: end, start, error.", remedy="Choose one of them.", param=param
        )
    return found


def _chunks_of(given: object, place: str, param: str) -> list[str]:
    if not isinstance(given, list) or not given:
        raise InvalidValue(
            f"{place} is no list of chunks.", remedy="Send at least one for each.", param=param
        )
    chunks = cast("list[Any]", given)
    for number, chunk in enumerate(chunks):
        if not isinstance(chunk, str) or not chunk:
            raise InvalidValue(
                f"{place}[{number}] is no text of a character or more.",
                remedy="Send strings, and leave empty chunks out.",
                param=param,
            )
    return chunks


def _check_count(items: list[Any], param: str, most: int) -> None:
    if len(items) > most:
        raise InvalidValue(
            f"{param} holds {len(items)} texts; the most for one request is {most}.",
            remedy="Send them in several requests.",
            param=param,
        )


def _text_of(item: object, place: str, param: str) -> str:
    text = cast("dict[str, Any]", item).get("text") if isinstance(item, dict) else item
    if not isinstance(text, str):
        raise InvalidValue(f"{place} is not a text.", remedy="Send strings.", param=param)
    return text


def _checked_ids(ids: object, param: str) -> list[int]:
    if not isinstance(ids, list) or not set(map(type, cast("list[Any]", ids))) <= {int}:
        raise InvalidValue(
            f"{param} is no list of token ids.", remedy="Send texts.", param=param.partition("[")[0]
        )
    return cast("list[int]", ids)


_WORDS: Mapping[str, tuple[Role, ...]] = {
    # Cohere
    "search_query": (QUERY,),
    "search_document": (DOCUMENT,),
    "classification": ("Classification", DOCUMENT),
    "clustering": ("Clustering", DOCUMENT),
    # Jina
    "retrieval.query": (QUERY,),
    "retrieval.passage": (DOCUMENT,),
    "text-matching": ("STS", DOCUMENT),
    "separation": ("Clustering", DOCUMENT),
    # Prompts of sentence-transformers
    "passage": (DOCUMENT,),
}
"""The vendors' words for what a text is for, by our roles.

A model without the task takes such a text as a document; any other word is a role of the model.
"""


def roles_of(word: str) -> tuple[Role, ...]:
    """The roles that a dialect's word may mean, the first that the model knows counting."""
    return _WORDS.get(word.casefold(), (word,))


def role_of(roles: tuple[Role, ...], prompts: Iterable[Role]) -> Role:
    """The first of the roles that a model with these prompts knows, whatever its case.

    The first of all where it knows none: its encoder then says which there are.
    """
    known = {role.casefold(): role for role in (*prompts, QUERY, DOCUMENT)}
    return next((known[role.casefold()] for role in roles if role.casefold() in known), roles[0])

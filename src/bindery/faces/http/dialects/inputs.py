"""Reads fields that dialects share: texts, token ids, truncation and roles."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from bindery.errors import InvalidValue
from bindery.faces.http.dialects.base import Inputs
from bindery.types import DOCUMENT, QUERY, Role, Truncate

MAX_TEXTS = 2048
"""Texts per request, as with OpenAI."""

MAX_DOCUMENTS = 1000
"""Documents per rerank request, as with Cohere."""

_TRUNCATE: Mapping[str, Truncate] = {
    "end": Truncate.END,
    "right": Truncate.END,
    "start": Truncate.START,
    "left": Truncate.START,
    "none": Truncate.ERROR,
    "error": Truncate.ERROR,
}
"""The vendors' words for the side that is cut, or for refusing long texts."""


def inputs_of(given: object, param: str) -> Inputs:
    """A text, token ids, or a list of either, as a list of one kind.

    Items can be objects with a ``text``. Raises InvalidValue that names the first wrong item, or
    if there are none.
    """
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise InvalidValue(
            f"{param} must be a string or a non-empty list of strings.",
            remedy="Send at least one text.",
            param=param,
        )
    items = cast("list[Any]", given)
    if type(items[0]) is int:
        return [_checked_ids(items, param)]
    if isinstance(items[0], list):
        _check_count(items, param, MAX_TEXTS)
        return [_checked_ids(ids, f"{param}[{index}]") for index, ids in enumerate(items)]
    return texts_of(items, param)


def texts_of(items: list[Any], param: str, *, most: int = MAX_TEXTS) -> list[str]:
    """The texts of items that are strings or objects with a ``text``; the list can be empty.

    Raises InvalidValue for too many items, and names the first that is not a text.
    """
    _check_count(items, param, most)
    if set(map(type, items)) <= {str}:  # ten times as fast as checking one by one
        return items
    return [_text_of(item, f"{param}[{index}]", param) for index, item in enumerate(items)]


def documents_of(given: object, param: str) -> list[list[str]]:
    """Documents, each a list of the texts of its chunks.

    Raises InvalidValue that names the first wrong item, for no documents, and for too many chunks
    in all documents together.
    """
    if not isinstance(given, list) or not given:
        raise InvalidValue(
            f"{param} must be a non-empty list of documents.",
            remedy="Send each document as the list of its chunks.",
            param=param,
        )
    items = cast("list[Any]", given)
    _check_count(items, param, MAX_DOCUMENTS)
    documents = [_chunks_of(one, f"{param}[{index}]", param) for index, one in enumerate(items)]
    _check_count([chunk for chunks in documents for chunk in chunks], param, MAX_TEXTS)
    return documents


def truncation_of(given: object, *, default: Truncate, param: str) -> Truncate:
    """What to do with long texts, given as the side to cut or as a boolean.

    Raises InvalidValue for other values.
    """
    if given is None:
        return default
    if isinstance(given, bool):
        return Truncate.END if given else Truncate.ERROR
    found = _TRUNCATE.get(given.casefold()) if isinstance(given, str) else None
    if found is None:
        raise InvalidValue(
            f"{param} must be end, start or error.", remedy="Choose one of these.", param=param
        )
    return found


def _chunks_of(given: object, name: str, param: str) -> list[str]:
    if not isinstance(given, list) or not given:
        raise InvalidValue(
            f"{name} must be a non-empty list of chunks.",
            remedy="Send a list of strings.",
            param=param,
        )
    chunks = cast("list[Any]", given)
    for number, chunk in enumerate(chunks):
        if not isinstance(chunk, str) or not chunk:
            raise InvalidValue(
                f"{name}[{number}] must be a non-empty string.",
                remedy="Send strings, without empty chunks.",
                param=param,
            )
    return chunks


def _check_count(items: list[Any], param: str, most: int) -> None:
    if len(items) > most:
        raise InvalidValue(
            f"{param} holds {len(items)} texts; the limit per request is {most}.",
            remedy="Send them in several requests.",
            param=param,
        )


def _text_of(item: object, name: str, param: str) -> str:
    text = cast("dict[str, Any]", item).get("text") if isinstance(item, dict) else item
    if not isinstance(text, str):
        raise InvalidValue(f"{name} must be a string.", remedy="Send strings.", param=param)
    return text


def _checked_ids(ids: object, param: str) -> list[int]:
    if not isinstance(ids, list) or not set(map(type, cast("list[Any]", ids))) <= {int}:
        raise InvalidValue(
            f"{param} must be a list of token ids.",
            remedy="Send texts.",
            param=param.partition("[")[0],
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
"""The vendors' words for the purpose of a text, as our roles in order of preference.

A model without the task treats such a text as a document. Any other word is a role of the model.
"""


def roles_of(word: str) -> tuple[Role, ...]:
    """The roles that a dialect's word can mean; the first that the model has is used."""
    return _WORDS.get(word.casefold(), (word,))


def role_of(roles: tuple[Role, ...], prompts: Iterable[Role]) -> Role:
    """The first of the roles that a model with these prompts has, in any case.

    If it has none, the first role, which the encoder then refuses with the list of valid ones.
    """
    known = {role.casefold(): role for role in (*prompts, QUERY, DOCUMENT)}
    return next((known[role.casefold()] for role in roles if role.casefold() in known), roles[0])

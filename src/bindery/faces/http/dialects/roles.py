"""What a text is for, in the words of every dialect."""

from collections.abc import Iterable, Mapping

from bindery.types import DOCUMENT, QUERY, Role

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

"""Attributes of files, checked against the types that a collection has for them."""

from collections.abc import Mapping
from typing import Any

from bindery.errors import InvalidValue
from bindery.search.columns import (
    AttributeType,
    AttributeValue,
    check_attribute,
    check_key,
    type_of,
)
from bindery.search.view import OF_CHUNKS, OF_FILES
from bindery.store import collections as catalog
from bindery.store.collections import has_attribute
from bindery.store.database import Transaction


def fixed_attributes(
    connection: Transaction,
    collection_id: str,
    attributes: Mapping[str, object],
    of_file: int | None = None,
) -> dict[str, Any]:
    """Attributes as they are stored. Their types are fixed for the collection from now on.

    ``of_file`` is the file whose attributes they replace. A type that was fixed by files which
    failed or are gone does not count. Raises InvalidValue.
    """
    former = catalog.schema_of(connection, collection_id)
    schema = {key: AttributeType(value) for key, value in former.items()}
    clean: dict[str, AttributeValue] = {}
    for given, value in attributes.items():
        key = check_key(given)
        if value is None:
            continue
        if key in OF_FILES or key in OF_CHUNKS:
            raise InvalidValue(
                f"{key!r} is set by Bindery for every file.",
                remedy="Choose another name for the attribute.",
                param="attributes",
            )
        try:
            clean[key] = check_attribute(key, value, schema)
        except InvalidValue:
            if key not in schema or has_attribute(connection, collection_id, key, of_file):
                raise
            del schema[key]
            clean[key] = check_attribute(key, value, schema)
        schema.setdefault(key, type_of(clean[key]))
    types = {key: str(value) for key, value in schema.items()}
    if types != former:
        # Open views know the types of their state.
        catalog.count_change(connection, collection_id)
        catalog.change_collection(connection, collection_id, schema=types)
    return {key: list(v) if isinstance(v, tuple) else v for key, v in clean.items()}

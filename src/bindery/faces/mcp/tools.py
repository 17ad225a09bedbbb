"""The tools: what each takes, gives and does. Nothing here knows the protocol.

``search`` and ``fetch`` have the shapes that the connectors of ChatGPT require. Documents are data:
no text of a document changes what a tool does, and answers tell the assistant so.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from bindery.errors import BinderyError, InvalidValue, ModelError, NotFound, UnknownCollection
from bindery.faces.mcp.shapes import (
    NOTE,
    Arguments,
    ContextOf,
    ContextPassage,
    DocumentsQuery,
    Fetched,
    FoundPassage,
    FoundPassages,
    ListedCollection,
    ListedCollections,
    ListedPassage,
    ListedPassages,
    NoArguments,
    OpenedContext,
    PassageId,
    Query,
    SearchedCollection,
    as_line,
)
from bindery.options import SearchMode, SearchOptions
from bindery.search.answers import Hit, SearchAnswer, text_of, view_url
from bindery.search.collection import Collection, Collections
from bindery.search.passages import FilePassages, read_passages
from bindery.types import Chunk, Span, page_range

_PASSAGE_ID = re.compile(
    r"(?P<collection>[^/]+)/(?P<file_id>[^/]+)/(?P<start>[0-9]{1,12})-(?P<end>[0-9]{1,12})"
)
# About 12,000 tokens: what assistants take in one piece.
_MOST_FETCHED = 50_000
# Errors of one collection, which say nothing of the others: a filter on an attribute that it does
# not have, a model that is gone, or its deletion meanwhile.
_LEFT_OUT = (InvalidValue, UnknownCollection, ModelError)
# Clients write these for an argument that they do not want to give.
_ABSENT = (None, "null", ["null"])


@dataclass(frozen=True, slots=True)
class Caller:
    """A client: the collections that it may see, and the address for links to passages."""

    collections: Collections
    address: str


_Client = TypeVar("_Client", bound=Caller)
_Given = TypeVar("_Given", bound=Arguments)
_Answer = TypeVar("_Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Tool(Generic[_Client, _Given, _Answer]):
    """A tool: its name, its arguments, its answer, and the function that gives it."""

    name: str
    title: str
    description: str
    takes: type[_Given]
    gives: type[_Answer]
    run: Callable[[_Client, _Given], _Answer]
    reads_only: bool = True

    def call(self, caller: _Client, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer for JSON. Raises InvalidValue for wrong arguments, and what ``run`` does."""
        fields = self.takes.model_fields
        given = {
            name: value
            for name, value in arguments.items()
            if name not in fields or fields[name].is_required() or value not in _ABSENT
        }
        try:
            checked = self.takes.model_validate(given)
        except ValidationError as error:
            raise _invalid(error, list(fields)) from None
        return self.run(caller, checked).model_dump(mode="json", exclude_none=False)


def _invalid(error: ValidationError, known: Sequence[str]) -> InvalidValue:
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"])) or "arguments"
    if first["type"] == "extra_forbidden":
        takes = f"The tool takes {', '.join(known)}." if known else "The tool takes no arguments."
        return InvalidValue(f"Unknown argument {name[:80]!r}.", remedy=takes, param=name[:80])
    given: object = first["input"]
    got = f", got {given!r:.40}" if isinstance(given, bool | int | float) else ""
    remedy = "The schema of the tool has the type and the bounds of every argument."
    return InvalidValue(f"{name}: {first['msg']}{got}.", remedy=remedy, param=name)


# Searching


def _search(caller: Caller, given: Query) -> ListedPassages:
    asked = DocumentsQuery(query=given.query)
    found = _found(asked, [*caller.collections])
    results = [
        ListedPassage(
            id=_id_of(hit.collection, hit.file_id, hit.span),
            title=_title_of(hit),
            url=hit.url(caller.address),
        )
        for hit in _merged(found.answers)[: asked.k]
    ]
    return ListedPassages(results=results)


@dataclass(frozen=True, slots=True)
class _Found:
    answers: list[SearchAnswer]
    warnings: list[str]


def _search_documents(caller: Caller, given: DocumentsQuery) -> FoundPassages:
    if given.collection:
        chosen = [caller.collections.get(given.collection)]
    else:
        chosen = [*caller.collections]
    found = _found(given, chosen)
    passages = [_passage(hit, caller, given) for hit in _merged(found.answers)[: given.k]]
    explanation = [_explained(answer) for answer in found.answers] if given.explain else None
    return FoundPassages(passages=passages, warnings=found.warnings, explanation=explanation)


def _found(given: DocumentsQuery, collections: Sequence[Collection]) -> _Found:
    """The answers of collections.

    Of several, one that cannot answer is left out with a warning.
    """
    if not collections:
        raise UnknownCollection(
            "There are no collections to search.", remedy="Make one with `bindery add FOLDER`."
        )
    options = SearchOptions(
        SearchMode(given.mode), given.k, given.filter.strip() or None, explain=given.explain
    )
    answers: list[SearchAnswer] = []
    failures: list[BinderyError] = []
    warnings: list[str] = []
    for collection in collections:
        try:
            answer = collection.search(given.query, options)
        except _LEFT_OUT as error:
            failures.append(error)
            warnings.append(f"{collection.name} was not searched: {error}")
        else:
            answers.append(answer)
            warnings += [f"{collection.name}: {one}" for one in answer.warnings]
    if failures and not answers:
        raise failures[0]
    return _Found(answers, warnings)


def _merged(answers: Sequence[SearchAnswer]) -> list[Hit]:
    """The hits of several collections: the first of each, then the second, and so on.

    Scores of different collections cannot be compared. Within a rank the higher score is first.
    """
    merged: list[Hit] = []
    for hits in zip_longest(*(answer.hits for answer in answers)):
        of_rank = [hit for hit in hits if hit is not None]
        merged += sorted(of_rank, key=lambda hit: -hit.score)
    return merged


def _passage(hit: Hit, caller: Caller, given: DocumentsQuery) -> FoundPassage:
    return FoundPassage(
        id=_id_of(hit.collection, hit.file_id, hit.span),
        collection=hit.collection,
        file=hit.file,
        title=hit.title,
        page=hit.page,
        last_page=hit.last_page,
        headings=list(hit.headings),
        start=hit.span.start,
        end=hit.span.end,
        text=hit.text,
        score=hit.score,
        url=hit.url(caller.address),
        attributes=dict(hit.attributes or {}),
        scores=dict(hit.scores) if given.explain else None,
        ranks=dict(hit.ranks) if given.explain else None,
        words=None if hit.words is None else [one.facts() for one in hit.words],
    )


def _explained(answer: SearchAnswer) -> SearchedCollection:
    return SearchedCollection.model_validate(answer.facts())


def _title_of(hit: Hit) -> str:
    page = f", page {page_range(hit.page, hit.last_page)}" if hit.page else ""
    headings = f": {' > '.join(hit.headings)}" if hit.headings else ""
    return f"{hit.title or hit.file}{page}{headings}"


# Reading


def _id_of(collection: str, file_id: str, span: Span) -> str:
    """What names a passage to the assistant; :func:`_located` reads it."""
    return f"{collection}/{file_id}/{span.start}-{span.end}"


@dataclass(frozen=True, slots=True)
class _Located:
    """A passage within its document: the numbers of its first chunk and of the one after it."""

    collection: str
    document: FilePassages
    span: Span
    first: int
    last: int


def _located(caller: Caller, passage_id: str) -> _Located:
    """Raises InvalidValue, UnknownCollection, UnknownFile, and NotFound if the span is gone."""
    found = _PASSAGE_ID.fullmatch(passage_id)
    if found is None:
        raise InvalidValue(
            f"{passage_id[:200]!r} is not the id of a passage.",
            remedy="Give the id of a result as it is.",
            param="id",
        )
    name, start = found["collection"], int(found["start"])
    collection = caller.collections.get(name)
    document = read_passages(caller.collections.library, collection, found["file_id"])
    span = Span(start, max(start, int(found["end"])))
    inside = [
        place
        for place, chunk in enumerate(document.chunks)
        if chunk.span.start < span.end and chunk.span.end > span.start
    ]
    if not inside:
        raise NotFound(
            f"{document.file.name!r} has no passage at {span.start}-{span.end}.",
            remedy="The document may have changed. Search again.",
            param="id",
        )
    return _Located(name, document, span, inside[0], inside[-1] + 1)


def _fetch(caller: Caller, given: PassageId) -> Fetched:
    found = _located(caller, given.id)
    chunks, file = found.document.chunks, found.document.file
    first, last = _as_much_as_fits(chunks, found.first, found.last)
    some = chunks[first:last]
    metadata = {
        "note": NOTE,
        "collection": found.collection,
        "file": as_line(file.name),
        "language": file.language,
        "start": str(some[0].span.start),
        "end": str(some[-1].span.end),
        "is_whole": str(len(some) == len(chunks)).lower(),
    }
    return Fetched(
        id=given.id,
        title=file.title or file.name,
        text=text_of(some),
        url=view_url(caller.address, found.collection, file.id, found.span),
        metadata=metadata,
    )


def _as_much_as_fits(chunks: Sequence[Chunk], first: int, last: int) -> tuple[int, int]:
    """The largest range of chunks around a passage that may be fetched at once."""
    while first > 0 or last < len(chunks):
        wider = (max(0, first - 1), min(len(chunks), last + 1))
        if chunks[wider[1] - 1].span.end - chunks[wider[0]].span.start > _MOST_FETCHED:
            break
        first, last = wider
    return first, last


def _open_context(caller: Caller, given: ContextOf) -> OpenedContext:
    found = _located(caller, given.id)
    chunks, file = found.document.chunks, found.document.file
    first, last = max(0, found.first - given.before), min(len(chunks), found.last + given.after)
    return OpenedContext(
        collection=found.collection,
        file=file.name,
        title=file.title,
        passages=[*_passages(caller, found, first, last)],
        has_more_before=first > 0,
        has_more_after=last < len(chunks),
    )


def _passages(caller: Caller, found: _Located, first: int, last: int) -> Iterator[ContextPassage]:
    for place in range(first, last):
        chunk = found.document.chunks[place]
        file_id = found.document.file.id
        yield ContextPassage(
            id=_id_of(found.collection, file_id, chunk.span),
            page=chunk.page,
            last_page=chunk.last_page,
            headings=list(chunk.headings),
            start=chunk.span.start,
            end=chunk.span.end,
            text=chunk.text,
            url=view_url(caller.address, found.collection, file_id, chunk.span),
            is_asked=found.first <= place < found.last,
        )


def _list_collections(caller: Caller, _: NoArguments) -> ListedCollections:
    listed = [
        ListedCollection.model_validate(facts | {"passages": facts["chunks"]})
        for facts in (one.facts() for one in caller.collections)
    ]
    return ListedCollections(collections=listed)


AnyTool: TypeAlias = Tool[Any, Any, Any]

TOOLS: Sequence[AnyTool] = (
    Tool(
        "search",
        "Search",
        "Find the passages of all documents that answer a question best. Fetch a result by its id "
        f"to read it. {NOTE}",
        Query,
        ListedPassages,
        _search,
    ),
    Tool(
        "fetch",
        "Fetch",
        f"Read the document of a result, or the part around it if the document is long. {NOTE}",
        PassageId,
        Fetched,
        _fetch,
    ),
    Tool(
        "search_documents",
        "Search documents",
        "Find passages with their texts, places and scores, in one collection or in all. A filter "
        'is one text, such as: year >= 2020 and language = "en". list_collections has the names '
        f"of the attributes. {NOTE}",
        DocumentsQuery,
        FoundPassages,
        _search_documents,
    ),
    Tool(
        "list_collections",
        "List collections",
        "The collections of documents, with their languages and the attributes for filters.",
        NoArguments,
        ListedCollections,
        _list_collections,
    ),
    Tool(
        "open_context",
        "Open context",
        f"Read a passage with the passages before and after it in its document. {NOTE}",
        ContextOf,
        OpenedContext,
        _open_context,
    ),
)
"""All tools that only read, in the order in which they are listed."""

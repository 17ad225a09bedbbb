"""Questions made of a collection itself, without labels and without a language model.

Each source gives pairs of a text that someone might ask and the passage that it is from. What was
made is checked before it is used: a set that words alone answer, or that a random order nearly
answers, tells no settings apart and is refused (:func:`check_set`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import TypeAlias

import numpy as np

from bindery.errors import InvalidValue
from bindery.evaluation.metrics import judge
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.library import Library
from bindery.options import SearchMode, SearchOptions
from bindery.search.collection import Collection
from bindery.search.marks import Mark
from bindery.search.passages import FilePassages, read_passages
from bindery.search.queries import Word, read_query

MOST_QUESTIONS = 300
_MOST_FILES = 1_500
_MOST_WORDS_NDCG = 0.95
_MOST_RANDOM_NDCG = 0.5
_CHECKED = 100
_DISCOUNTS = float(sum(1 / np.log2(rank + 1) for rank in range(1, 11)))
_QUOTE_CHARACTERS = 200
_LEAST_WORDS = 6
_LEFT_OUT = 0.4
_SENTENCE = re.compile(r"[^.!?\n]{40,300}[.!?](?=\s|$)")
_PAIR = re.compile(
    r"^\W*(?:Q(?:uestion)?[:.]\s*)?([^\n]{8,200}\?)\W*\n+\W*(?:A(?:nswer)?[:.]\s*)?(\S[^\n]+)",
    re.MULTILINE,
)
_DOCSTRING = re.compile(
    r'^[ \t]*((?:async def|def|class) [^\n]*)\n\s*[ru]?"""\s*([^\n"]{15,200})', re.MULTILINE
)

Pairs: TypeAlias = Iterator[tuple[str, Expected]]
"""Texts to ask, each with the passage that it is from."""


@dataclass(frozen=True, slots=True)
class SetCheck:
    """How well words alone and a random order answer a set of questions, as nDCG@10."""

    words: float
    random: float

    @property
    def refusal(self) -> str:
        """Why the set tells no settings apart; empty if it may."""
        if self.words > _MOST_WORDS_NDCG:
            return (
                f"words alone reach an nDCG@10 of {self.words:.3f}, more than {_MOST_WORDS_NDCG}, "
                "so that no setting can be better"
            )
        if self.random > _MOST_RANDOM_NDCG:
            return (
                f"a random order reaches an nDCG@10 of {self.random:.3f}, more than "
                f"{_MOST_RANDOM_NDCG}: the collection is too small to tell settings apart"
            )
        return ""

    def facts(self) -> dict[str, float]:
        """The same for JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def make_questions(library: Library, collection: Collection, source: str) -> list[JudgedQuestion]:
    """The questions of a source, one of :data:`SOURCES`, at most 300 from all over the collection.

    Raises InvalidValue for an unknown source, if it gives none, and for a set that tells no
    settings apart, with the figure.
    """
    if source not in SOURCES:
        raise InvalidValue(
            f"Unknown source of questions {source[:80]!r}.",
            remedy=f"Use {', '.join(SOURCES)}.",
            param="source",
        )
    if source == MARKS:
        questions = questions_of(collection.marks)
    else:
        questions = _made(_pairs_of(library, collection, _MAKERS[source]))
    if not questions:
        raise InvalidValue(
            f"{collection.name!r} gives no questions by the source {source!r}.",
            remedy="Use another source.",
            param="source",
        )
    if source != MARKS and (refusal := check_set(collection, questions).refusal):
        raise InvalidValue(
            f"The questions by the source {source!r} are refused: {refusal}.",
            remedy="Use another source, or questions of your own.",
            param="source",
        )
    return questions


def check_set(collection: Collection, questions: Sequence[JudgedQuestion]) -> SetCheck:
    """How well words alone and a random order answer questions; of many, a sample is asked."""
    step = max(1, len(questions) // _CHECKED)
    options = SearchOptions(SearchMode.LEXICAL, top=100)
    files: dict[str, int] = {}
    view = collection.index.view()
    for segment in view.segments:
        for number in segment.table.files[segment.alive].tolist():
            name = view.files[number].name
            files[name] = files.get(name, 0) + 1
    words: list[float] = []
    random: list[float] = []
    for question in questions[::step]:
        hits = collection.search(question.text, options).hits
        figures = judge(question, hits, 0, budget_tokens=1, count_tokens=_one_each)
        words.append(figures.ndcg_10)
        right = sum(files.get(one.file, 1) if one.is_file else 1 for one in question.expected)
        # The mean discount of the first 10 ranks, times the chance that one of them is right.
        random.append(min(1.0, right * _DISCOUNTS / max(1, view.rows)))
    return SetCheck(mean(words), mean(random))


def questions_of(marks: Iterable[Mark]) -> list[JudgedQuestion]:
    """The marked questions with their right passages, oldest first.

    A question of which only wrong passages are known is left out.
    """
    found: dict[str, list[Expected]] = {}
    for one in reversed([*marks]):
        if one.is_right and one.text:
            found.setdefault(one.query, []).append(Expected(one.file, quote=one.text))
    return [
        JudgedQuestion(str(number), query, tuple(expected))
        for number, (query, expected) in enumerate(found.items(), 1)
    ]


def _one_each(texts: Sequence[str]) -> list[int]:
    return [1] * len(texts)


def _made(pairs: Pairs) -> list[JudgedQuestion]:
    """Distinct texts with their passages, at most 300, evenly from all of them."""
    found: dict[str, Expected | None] = {}
    for text, expected in pairs:
        # What is asked twice, of two passages, has no single answer.
        found[text] = None if text in found else expected
    kept = [(text, expected) for text, expected in found.items() if expected is not None]
    step = max(1.0, len(kept) / MOST_QUESTIONS)
    chosen = [kept[int(n * step)] for n in range(min(len(kept), MOST_QUESTIONS))]
    return [
        JudgedQuestion(str(number), text, (expected,))
        for number, (text, expected) in enumerate(chosen, 1)
    ]


_Maker: TypeAlias = Callable[[Collection, FilePassages], Pairs]


def _pairs_of(library: Library, collection: Collection, maker: _Maker) -> Pairs:
    files = collection.files()
    step = max(1.0, len(files) / _MOST_FILES)
    for n in range(min(len(files), _MOST_FILES)):
        yield from maker(collection, read_passages(library, collection, files[int(n * step)].id))


def _by_headings(collection: Collection, read: FilePassages) -> Pairs:
    del collection
    seen: set[tuple[str, ...]] = set()
    for chunk in read.chunks:
        heading = chunk.headings[-1] if chunk.headings else ""
        if len(heading.split()) < 2 or chunk.headings in seen:
            continue
        seen.add(chunk.headings)
        body = "\n".join(line for line in chunk.text.splitlines() if heading not in line).strip()
        if len(body) > _QUOTE_CHARACTERS // 2:
            yield heading, Expected(read.file.name, quote=body[:_QUOTE_CHARACTERS])


def _by_titles(collection: Collection, read: FilePassages) -> Pairs:
    del collection
    if len(read.file.title.split()) > 2:
        yield read.file.title, Expected(read.file.name)


def _by_pairs(collection: Collection, read: FilePassages) -> Pairs:
    del collection
    for chunk in read.chunks:
        for match in _PAIR.finditer(chunk.text):
            yield match[1].strip(), Expected(read.file.name, quote=match[2][:_QUOTE_CHARACTERS])


def _by_docstrings(collection: Collection, read: FilePassages) -> Pairs:
    del collection
    for chunk in read.chunks:
        for match in _DOCSTRING.finditer(chunk.text):
            yield match[2].strip(), Expected(read.file.name, quote=match[1].strip())


def _by_sentences(collection: Collection, read: FilePassages) -> Pairs:
    """A sentence of the middle chunk, without the words that are the rarest in the collection."""
    if not read.chunks:
        return
    chunks = read.chunks[:: max(1, len(read.chunks) // 20)]
    for chunk in chunks:
        sentences = [match[0].strip() for match in _SENTENCE.finditer(chunk.text)]
        if not sentences:
            continue
        sentence = sentences[len(sentences) // 2]
        if text := _without_key_terms(collection, sentence):
            yield text, Expected(read.file.name, quote=sentence)


def _without_key_terms(collection: Collection, sentence: str) -> str:
    """A sentence without the two fifths of its words that are the rarest; empty if it is short."""
    index = collection.index
    view = index.view()
    analysers = {one: index.analyser(one) for one in view.languages}
    words = read_query(sentence.replace('"', " "), analysers).words

    def frequency(word: Word) -> int:
        return sum(segment.lexical.frequency(word) for segment in view.segments)

    if len(words) < _LEAST_WORDS:
        return ""
    rarest = sorted(words, key=frequency)[: round(_LEFT_OUT * len(words))]
    gone = {n for word in rarest for n in range(word.span.start, word.span.end)}
    kept = "".join(" " if n in gone else char for n, char in enumerate(sentence))
    return " ".join(kept.split())


MARKS = "marks"

_MAKERS: Mapping[str, _Maker] = {
    "headings": _by_headings,
    "titles": _by_titles,
    "pairs": _by_pairs,
    "docstrings": _by_docstrings,
    "sentences": _by_sentences,
}

SOURCES: Mapping[str, str] = {
    MARKS: "the questions whose passages were marked as right",
    "headings": "headings, for the text below them",
    "titles": "titles, for their files",
    "pairs": "questions in the text, for the answer after them",
    "docstrings": "the first line of docstrings, for their function or class",
    "sentences": "sentences without their rarest words, for the passage that has them",
}
"""The sources of questions, and what each asks for which passage."""

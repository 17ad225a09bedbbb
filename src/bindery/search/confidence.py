"""Whether a score means something: hits are compared with those of off-topic questions.

A cosine of .4 is high for one model and low for another. So a collection is asked questions that it
cannot answer: a list in several languages that comes with Bindery, and titles of other collections.
The confidence of a hit is the share of these questions whose best passage has a lower score.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from bindery.disk import storage_errors, whole_file
from bindery.library import Library
from bindery.options import SearchMode, SearchOptions
from bindery.search.answers import SearchAnswer
from bindery.search.candidates import Floor
from bindery.search.deleting import evaluations_folder
from bindery.search.index import CollectionIndex
from bindery.store import collections as catalog

_VERSION = 1
_MOST_TITLES = 35
_LEAST_WORDS = 3
# A collection that has grown or shrunk by more is asked again.
_MOST_CHANGE = 0.1

Ask = Callable[[list[str], SearchOptions], list[SearchAnswer]]
"""Asks the collection questions, with options."""


@dataclass(frozen=True, slots=True)
class ChanceScores:
    """The best scores that off-topic questions reach in a collection of ``rows`` chunks, rising.

    They are cosines, or BM25 if ``leg`` is lexical.
    """

    version: int
    generation: int
    model: str
    rows: int
    leg: str
    scores: tuple[float, ...]

    @property
    def score(self) -> str:
        """The name of the score of a hit that is compared."""
        return "bm25" if self.leg == SearchMode.LEXICAL else "cosine"

    def confidence(self, own: float | None) -> float:
        """The share of off-topic questions whose best passage has a lower score, 0 to 1.

        It is 0 for a hit that was found without the leg, such as in a partial answer.
        """
        if own is None or not self.scores:
            return 0.0
        return float(np.searchsorted(self.scores, own, side="left") / len(self.scores))

    def floor(self, least: float, *, is_partial: bool) -> Floor | None:
        """What the score of a hit must be above for a confidence of at least ``least``, if any.

        ``is_partial`` if the query could not be embedded.
        """
        if least <= 0:
            return None
        is_dense = self.leg != SearchMode.LEXICAL
        if not self.scores or (is_dense and is_partial):
            return Floor(np.inf, is_dense)
        shares = np.arange(len(self.scores) + 1) / len(self.scores)
        worse = int(np.searchsorted(shares, least, side="left"))
        return Floor(self.scores[worse - 1], is_dense)

    def fits(self, index: CollectionIndex, rows: int) -> bool:
        """Whether these are the scores of an index as it is now."""
        is_same = (self.version, self.generation, self.model) == (
            _VERSION,
            index.generation,
            f"{index.recipe.model} {index.recipe.revision}",
        )
        return is_same and abs(self.rows - rows) <= _MOST_CHANGE * max(1, rows)


def chance_scores(
    library: Library, index: CollectionIndex, mode: SearchMode, ask: Ask
) -> ChanceScores:
    """The scores of off-topic questions, kept or measured now.

    They are those of the mode dense for every mode that uses vectors, and else those of words.
    """
    leg = SearchMode.DENSE if mode.is_dense else SearchMode.LEXICAL
    path = evaluations_folder(library, index.collection) / f"chance-{leg}.json"
    rows = index.view().rows
    kept = _read(path)
    if kept is not None and kept.fits(index, rows):
        return kept
    questions = [*off_topic_questions(), *_titles_elsewhere(library, index.collection)]
    answers = ask(questions, SearchOptions(leg, top=1))
    scores = sorted(answer.hits[0].score if answer.hits else 0.0 for answer in answers)
    model = f"{index.recipe.model} {index.recipe.revision}"
    found = ChanceScores(_VERSION, index.generation, model, rows, str(leg), tuple(scores))
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(json.dumps(asdict(found)).encode())
    return found


def with_confidence(
    answer: SearchAnswer, chance: ChanceScores, least: float, best: float | None
) -> SearchAnswer:
    """The answer with the confidence of each hit, or a warning that none has ``least``.

    ``best`` is the highest score of all candidates, None if there were none.
    """
    hits = tuple(
        replace(hit, confidence=chance.confidence(hit.scores[chance.score])) for hit in answer.hits
    )
    if hits or best is None or (found := chance.confidence(best)) >= least:
        return replace(answer, hits=hits)
    warning = (
        f"Nothing was found with a confidence of {least:g}; the best passage has {found:.2f}, the "
        "share of off-topic questions that find a worse one."
    )
    return replace(answer, warnings=(*answer.warnings, warning))


@cache
def off_topic_questions() -> Sequence[str]:
    """The questions about everyday topics that come with Bindery, in several languages."""
    text = (files("bindery.search") / "off_topic.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _titles_elsewhere(library: Library, collection: str) -> list[str]:
    """Titles of files of other collections, evenly from each."""
    found: list[str] = []
    with library.database.reading() as connection:
        others = [one for one in catalog.list_collections(connection) if one.id != collection]
        for other in others:
            titles = sorted(
                {
                    file.title
                    for file in catalog.list_files(connection, other.id)
                    if len(file.title.split()) >= _LEAST_WORDS
                }
            )
            most = max(1, _MOST_TITLES // len(others))
            found += titles[:: max(1, len(titles) // most)][:most]
    return found[:_MOST_TITLES]


def _read(path: Path) -> ChanceScores | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept: dict[str, Any] = json.loads(path.read_bytes())
        names = [one.name for one in fields(ChanceScores) if one.name != "scores"]
        known = {name: kept[name] for name in names}
        return ChanceScores(**known, scores=tuple(map(float, kept["scores"])))
    return None

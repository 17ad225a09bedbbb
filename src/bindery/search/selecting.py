"""From candidates with scores to passages: above the threshold, unlike each other, few of a file.

A passage is one chunk, the chunks found that are neighbours in a file, or those of one parent.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.options import Passage, SearchOptions
from bindery.search import fusion
from bindery.search.candidates import Candidates, Floor
from bindery.search.dense import best_first
from bindery.search.lexical import Mask, Scores
from bindery.search.view import View
from bindery.types import Span

ParentsOf: TypeAlias = Callable[[Sequence[tuple[int, int]]], Sequence[Span | None]]
"""The parents of rows, each a segment's number and a row in it."""

# Chunks that begin this soon after another ends are its neighbours: white space divides them.
_GAP_CHARACTERS = 2
_PARENTS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """How passages are chosen from ranked candidates of a view, those above ``floor`` if any."""

    view: View
    options: SearchOptions
    parents_of: ParentsOf
    floor: Floor | None = None

    def passages(
        self, found: Candidates, scores: Scores, shown: Mask, count: int
    ) -> list[list[int]]:
        """The best ``count`` passages, each the places of its candidates, best first.

        Candidates that are ``shown`` already count for the limit of their file, and new ones differ
        from them.
        """
        order = best_first(scores, len(scores))
        if self.options.score_threshold is not None:
            is_enough = scores[order] >= np.float32(self.options.score_threshold)
            order = order[is_enough | shown[order]]
        if self.floor is not None:
            is_enough = self.floor.scores(found)[order] > self.floor.score
            order = order[is_enough | shown[order]]
        relation, limit = self._relation(found, order), self.options.limit_per_file
        if relation is None and limit is None and not self.options.diversity:
            return [[place] for place in order[~shown[order]][:count].tolist()]
        files: list[int] = found.files(self.view).tolist() if len(found) else []
        groups = _Groups(files, relation, limit)
        former = np.flatnonzero(shown[order])
        for place in order[former].tolist():
            groups.add(place, len(former))
        groups.begin()
        for place in self._by_difference(found, scores, order, former.tolist()):
            if not shown[place] and not groups.add(place, count):
                break
        return groups.new

    def _by_difference(
        self,
        found: Candidates,
        scores: Scores,
        order: npt.NDArray[np.int64],
        former: Sequence[int],
    ) -> Iterator[int]:
        if not self.options.diversity or not len(order):
            return iter(order.tolist())
        vectors = found.vectors(self.view)[order]
        picked = fusion.diverse(scores[order], vectors, self.options.diversity, former)
        return (int(order[place]) for place in picked)

    def _relation(self, found: Candidates, order: npt.NDArray[np.int64]) -> "_Relation | None":
        """Which two candidates of one file belong to one passage; None if each is one."""
        kind = self.options.passage
        if kind is Passage.JOINED and len(found):
            return _neighbours(self.view, found)
        if kind is Passage.PARENT:
            return _Siblings(found, order.tolist(), self.parents_of)
        return None


_Relation: TypeAlias = Callable[[int, int], bool]


class _Groups:
    """Candidates in groups; those of the groups before :meth:`begin` were shown already."""

    def __init__(self, files: Sequence[int], relation: _Relation | None, limit: int | None) -> None:
        self.new: list[list[int]] = []
        self._files = files
        self._relation = relation
        self._limit = limit
        self._by_file: dict[int, int] = {}

    def begin(self) -> None:
        """Start over; only the number of groups of each file is kept."""
        self.new = []

    def add(self, place: int, most: int) -> bool:
        """Put a candidate into its group; False if that would be one group too many."""
        file = self._files[place]
        # Without a relation, a look at every group would make this quadratic for nothing.
        joins = self._relation is not None
        mine = [group for group in self.new if self._belongs(place, group)] if joins else []
        if mine:
            mine[0].append(place)
            for other in mine[1:]:  # the candidate stands between them
                mine[0].extend(other)
                self.new.remove(other)
                self._by_file[file] -= 1
            return True
        count = self._by_file.get(file, 0)
        if self._limit is not None and count >= self._limit:
            return True
        if len(self.new) >= most:
            return False
        self.new.append([place])
        self._by_file[file] = count + 1
        return True

    def _belongs(self, place: int, group: Sequence[int]) -> bool:
        relation = self._relation
        is_same_file = self._files[group[0]] == self._files[place]
        return is_same_file and relation is not None and any(relation(place, o) for o in group)


def _neighbours(view: View, found: Candidates) -> _Relation:
    """Chunks of a file that overlap, or of which one follows the other."""
    parts = found.collect(view, lambda segment, rows: segment.table.parts[rows]).tolist()
    places = found.collect(view, lambda segment, rows: segment.table.places[rows]).tolist()
    starts = found.collect(view, lambda segment, rows: segment.table.starts[rows]).tolist()
    ends = found.collect(view, lambda segment, rows: segment.table.ends[rows]).tolist()

    def are_neighbours(one: int, other: int) -> bool:
        if parts[one] == parts[other] and abs(places[one] - places[other]) == 1:
            return True
        return max(starts[one], starts[other]) <= min(ends[one], ends[other]) + _GAP_CHARACTERS

    return are_neighbours


class _Siblings:
    """Chunks of one parent. Parents are read when they are asked for, with the next ones."""

    def __init__(self, found: Candidates, order: Sequence[int], parents_of: ParentsOf) -> None:
        self._where = found.where()
        self._order = order
        self._parents_of = parents_of
        self._parents: dict[int, Span | None] = {}

    def __call__(self, one: int, other: int) -> bool:
        parent = self._parent(one)
        return parent is not None and parent == self._parent(other)

    def _parent(self, place: int) -> Span | None:
        if place not in self._parents:
            left = (one for one in self._order if one not in self._parents and one != place)
            some = [place, *islice(left, _PARENTS_AT_ONCE)]
            parents = self._parents_of([self._where[one] for one in some])
            self._parents.update(zip(some, parents, strict=True))
        return self._parents[place]

"""The process that is killed while it changes an index, and what must be so after its end.

``python -m tests.crashes.indexing HOME MODELS SEED FIRST LAST`` puts files into a collection, seals
and merges its segments, replaces and removes files, and writes dead rows out. It says each step
before and after. No model is needed: vectors follow from the texts.
"""

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crashes.writer import library_of, read_arguments, say
from tests.search.synthetic import MODES, found, open_synthetic, put, texts_of

from bindery.errors import UnknownFile
from bindery.library import Library
from bindery.search.collection import Collection
from bindery.search.maintenance import erase, rewrite, seal
from bindery.store import placements

MODULE = "tests.crashes.indexing"

_NAMES = 7
_ABSENT = ""


def main() -> None:
    """Do the rounds."""
    arguments = read_arguments()
    library = library_of(arguments.home, arguments.models)
    say("ready", arguments.first)
    for number in range(arguments.first, arguments.last):
        work(library, arguments.seed, number)
        say("round", number)
    library.close()


def work(library: Library, seed: int, number: int) -> None:
    """One round: put a file, seal in every second one, remove in every third one."""
    collection = open_synthetic(library)
    step = [f"{number % _NAMES}.txt", f"text{seed}x{number}"]
    say("put?", step)
    put(library, collection, {step[0]: [step[1]]})
    say("put", step)
    if number % 2:
        seal(collection.index, least_rows=1)
    if number % 3 == 2:
        gone = [f"{(number * 5) % _NAMES}.txt", _ABSENT]
        say("remove?", gone)
        with contextlib.suppress(UnknownFile):  # it is not there, or was removed before a kill
            collection.remove(gone[:1], now=number % 4 == 0)
        say("remove", gone)
    if number % 5 == 4:
        rewrite(collection.index, most_dead=0)
    if number % 8 == 7:
        erase(collection.index)


@dataclass(slots=True)
class ToldIndex:
    """What each file may hold: one text once that was acknowledged, and the new one before."""

    may_be: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    texts: set[str] = field(default_factory=set[str])
    acknowledged: int = 0
    round: int = -1
    faults: list[str] = field(default_factory=list[str])

    def hear(self, lines: Iterable[bytes]) -> None:
        """Take in what a process said. Its last line may be cut off."""
        for line in lines:
            if not line.endswith(b"\n"):
                return
            what, value = json.loads(line)
            if what == "round":
                self.round = value
            elif what.rstrip("?") in {"put", "remove"}:
                name, text = value
                self.texts |= {text} - {_ABSENT}
                known = self.may_be.setdefault(name, {_ABSENT})
                self.may_be[name] = known | {text} if what.endswith("?") else {text}
                self.acknowledged += not what.endswith("?")

    def next_round(self, seed: int) -> int:
        """The round to go on with."""
        del seed
        return self.round + 1


def check(home: Path, models: Path, seed: int, told: ToldIndex, *, results: bool) -> list[str]:
    """What was lost, doubled or is found although it was removed, a sentence each."""
    del seed
    library = library_of(home, models)
    try:
        return [*told.faults, *_checked(library, told, seals=results)]
    except Exception as error:  # noqa: BLE001 - whatever is wrong is a finding
        return [f"The index cannot be read: {type(error).__name__}: {error}"]
    finally:
        library.close()


def _checked(library: Library, told: ToldIndex, *, seals: bool) -> Iterator[str]:
    collection = open_synthetic(library)
    try:
        yield from _searched(collection, told)
        if seals:
            yield from _merged(library, collection, told)
    finally:
        collection.index.close()  # its maps would keep the disk from being unmounted


def _merged(library: Library, collection: Collection, told: ToldIndex) -> Iterator[str]:
    """The same once all rows lie in segments without dead ones."""
    seal(collection.index, least_rows=1)
    erase(collection.index)
    yield from _searched(collection, told)
    with library.database.reading() as connection:
        names = placements.segment_names(connection, collection.id)
    left = {path.name.split(".")[0] for path in collection.index.folder.glob("*.segment")}
    if left != names:
        yield f"The files of segments are {sorted(left)}, and the catalog has {sorted(names)}."


def _searched(collection: Collection, told: ToldIndex) -> Iterator[str]:
    there = _texts_by_name(collection)
    for name, may_be in told.may_be.items():
        holds = there.get(name, _ABSENT)
        if holds not in may_be:
            yield f"{name} holds {holds!r}, and may hold {sorted(may_be)}."
        told.may_be[name] = {holds}  # either end of a step that was cut off stays from now on
    living = Counter(there.values())
    if collection.index.view().rows != len(there):
        yield f"The index has {collection.index.view().rows} rows for {len(there)} files."
    for mode, text in itertools.product(MODES, told.texts):
        hits = found(collection, text, mode, top=100).count(text)
        if hits != living[text]:
            yield f"{mode} finds {text!r} {hits} times, not {living[text]}."


def _texts_by_name(collection) -> dict[str, str]:
    view = collection.index.view()
    places = [
        (n, row)
        for n, segment in enumerate(view.segments)
        for row in range(len(segment))
        if segment.alive[row]
    ]
    names = [view.files[int(view.segments[n].table.files[row])].name for n, row in places]
    return dict(zip(names, texts_of(collection, view, places), strict=True))


if __name__ == "__main__":
    main()

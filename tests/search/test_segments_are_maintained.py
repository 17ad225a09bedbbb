"""Tails become segments, segments are merged, dead rows go, and readers never notice."""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.synthetic import MODES, bytes_under, found, open_synthetic, put, texts_of

from bindery.search import maintenance
from bindery.search.collection import Collections
from bindery.search.index import OpenIndexes
from bindery.search.maintainer import Maintainer
from bindery.search.maintenance import (
    SegmentSize,
    choose,
    rewrite,
    seal,
    state_of,
    sweep_index,
)
from bindery.search.segment_files import files_of


def words(n: int) -> str:
    return f"item{n} lies on shelf{n % 7}"


def finds_itself(collection, text: str) -> None:
    for mode in MODES:
        assert found(collection, text, mode)[0] == text, (mode, text)


# Which segments are merged

SIZES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=12)


@given(st.integers(1, 20_000), SIZES)
def test_the_small_and_the_dead_are_merged_within_a_bound(rows, drawn):
    sizes = [
        SegmentSize(f"{n}", max(a, b), min(a, b), max(a, b) * 1600)
        for n, (a, b) in enumerate(drawn)
    ]
    chosen = set(choose(rows, sizes))
    merged = [one for one in sizes if one.name in chosen]
    assert sum(one.living_bytes for one in merged) <= maintenance._LARGEST_BYTES
    used = sum(one.living_bytes for one in merged)
    for one in sizes:
        is_wanted = one.living <= 4 * rows or one.is_over(maintenance.MOST_DEAD)
        if one.name not in chosen and is_wanted:
            assert used + one.living_bytes > maintenance._LARGEST_BYTES


def test_growing_leaves_few_segments_and_writes_each_row_a_few_times():
    sizes: list[SegmentSize] = []
    written = total = 0
    for number in range(400):
        chosen = set(choose(4096, sizes))
        rows = 4096 + sum(one.living for one in sizes if one.name in chosen)
        sizes = [one for one in sizes if one.name not in chosen]
        sizes.append(SegmentSize(f"{number}", rows, rows, rows * 1600))
        written, total = written + rows, total + 4096
    assert max(one.size_bytes for one in sizes) <= maintenance._LARGEST_BYTES + 4096 * 1600
    assert len(sizes) <= 2 * total * 1600 / maintenance._LARGEST_BYTES + 6
    assert written <= 25 * total


# The maintainer


def test_a_long_tail_is_sealed_while_searches_go_on(home, collection):
    put(home, collection, {f"{n}.txt": [words(n)] for n in range(200)})
    maintainer = Maintainer(home, lambda: [collection])
    maintainer.run_once()
    assert state_of(collection.index).tail_rows == 200
    put(home, collection, {"long.txt": [words(n) for n in range(1000, 1000 + 4096)]})
    finds_itself(collection, words(17))

    maintainer.run_once()

    assert state_of(collection.index).tail_rows == 0
    for n in (0, 17, 199, 1000, 5000):
        finds_itself(collection, words(n))
    collection.remove(["3.txt"])
    maintainer.run_once()
    (segment,) = state_of(collection.index).segments
    assert (segment.living, segment.rows) == (199 + 4096, 200 + 4096)


def test_a_short_tail_is_sealed_once_nothing_changes(home, collection, monkeypatch):
    monkeypatch.setattr("bindery.search.maintainer._IDLE_S", 0.0)
    put(home, collection, {f"{n}.txt": [words(n)] for n in range(70)})
    maintainer = Maintainer(home, lambda: [collection], rewritten_within_s=0.0)
    maintainer.run_once()
    assert state_of(collection.index).tail_rows == 0

    collection.remove(["3.txt"])
    maintainer.run_once()

    (segment,) = state_of(collection.index).segments
    assert (segment.living, segment.rows) == (69, 69)
    finds_itself(collection, words(4))
    assert words(3) not in found(collection, words(3), MODES[1])


def test_a_maintainer_works_in_its_own_thread_for_every_collection(home, monkeypatch):
    monkeypatch.setattr("bindery.search.maintainer._IDLE_S", 0.0)
    monkeypatch.setattr("bindery.search.maintainer._LOOK_S", 0.01)
    collections = Collections(home)
    for name in ("one", "two"):
        put(home, open_synthetic(home, name), {f"{n}.txt": [words(n)] for n in range(70)})
    indexes = [one.index for one in collections]
    with Maintainer(home, lambda: collections):
        until = time.monotonic() + 60
        while any(state_of(one).tail_rows for one in indexes) and time.monotonic() < until:
            time.sleep(0.01)
    assert [state_of(one).tail_rows for one in indexes] == [0, 0]


def test_a_large_tail_is_sealed_in_batches(home, collection, monkeypatch):
    monkeypatch.setattr(maintenance, "_BATCH_ROWS", 50)
    put(home, collection, {f"{n}.txt": [words(n)] for n in range(120)})
    seal(collection.index, least_rows=1)
    assert state_of(collection.index).tail_rows == 0
    for n in (0, 49, 50, 119):
        finds_itself(collection, words(n))


# Bytes


def churned(home, collection, changes: int, files: int) -> None:
    draw = random.Random(7)
    for n in range(changes):
        name = f"{draw.randrange(files)}.txt"
        if draw.random() < 0.2 and collection.chunk_sets().get(name):
            collection.remove([name])
        else:
            put(home, collection, {name: [words(n)]})
        if n % 64 == 63:  # as a maintainer would
            seal(collection.index, least_rows=maintenance.FEW_ROWS)
            rewrite(collection.index)
    seal(collection.index, least_rows=1)
    rewrite(collection.index)


@pytest.mark.parametrize("changes", [400, pytest.param(5000, marks=pytest.mark.slow)])
def test_one_row_changes_leave_at_most_twice_the_bytes_of_a_fresh_build(home, collection, changes):
    files = changes // 5
    churned(home, collection, changes, files)
    folder = home.home / "indexes"
    living = {name: index_text(collection, name) for name in sorted(collection.chunk_sets())}
    fresh = open_synthetic(home, "fresh")
    put(home, fresh, {name: [text] for name, text in living.items()})
    seal(fresh.index, least_rows=1)

    assert bytes_under(folder / collection.id) <= 2 * bytes_under(folder / fresh.id)
    for text in list(living.values())[::20]:
        assert found(collection, text, MODES[0]) == found(fresh, text, MODES[0])
        finds_itself(collection, text)


def index_text(collection, name: str) -> str:
    view = collection.index.view()
    number = next(file.number for file in view.files.values() if file.name == name)
    for place, segment in enumerate(view.segments):
        for row in range(len(segment)):
            if segment.table.files[row] == number and segment.alive[row]:
                return texts_of(collection, view, [(place, row)])[0]
    raise AssertionError(name)


def test_a_collection_is_described_without_its_index(home):
    collection = open_synthetic(home)
    put(home, collection, {f"{n}.txt": [words(n), words(n + 100)] for n in range(9)})
    name = seal(collection.index, least_rows=1)
    put(home, collection, {"tail.txt": ["a tail"]})
    collection.remove(["3.txt"])
    view, facts = collection.index.view(), collection.facts()
    assert (facts["files"], facts["files_missing"], facts["chunks"]) == (9, 0, view.rows)
    assert (facts["segments"], facts["first_pass"], facts["recall"]) == (2, "none", 1.0)
    assert facts["index_bytes"] == sum(
        path.stat().st_size for path in files_of(collection.index.folder, name)
    )
    for path in files_of(collection.index.folder, name):
        path.unlink()
    (other,) = Collections(home)  # as a process that has opened nothing sees it
    found = other.facts()
    assert "not in this home folder: 1." in found.pop("warnings")[0]
    assert found == {k: v for k, v in facts.items() if k != "warnings"} | {
        "index_bytes": 0,
        "bytes_per_chunk": 0,
    }


# Other processes, missing files, sweeping


def test_a_row_is_found_again_when_its_former_segment_is_published_again(home, collection):
    """The same content has the same name: rows that were dead in it are alive once more."""
    put(home, collection, {"a.txt": [words(1)], "b.txt": [words(2)]})
    first = seal(collection.index, least_rows=1)
    put(home, collection, {"a.txt": [words(3)]})
    finds_itself(collection, words(3))
    put(home, collection, {"a.txt": [words(1)]})
    again = seal(collection.index, least_rows=1)

    assert first == again
    finds_itself(collection, words(1))
    finds_itself(collection, words(2))


def test_a_missing_segment_that_was_merged_is_no_damage(home, collection):
    put(home, collection, {"a.txt": [words(1)]})
    name = seal(collection.index, least_rows=1)
    other = open_synthetic(home)
    put(home, collection, {"b.txt": [words(2)]})
    assert seal(collection.index, least_rows=1) != name
    assert files_of(collection.index.folder, name) == []

    with pytest.raises(maintenance.ChangedMeanwhile):
        other.index.segment(name, [1])

    assert state_of(other.index).tail_rows == 0
    finds_itself(other, words(1))


READER = """
import sys
from pathlib import Path
from tests.search.synthetic import MODES, found, open_synthetic
from bindery.library import Library
collection = open_synthetic(Library(Path(sys.argv[1])))
texts = sys.argv[2:]
print("ready", flush=True)
wrong = rounds = 0
while not (Path(sys.argv[1]) / "stop").exists():
    for text in texts:
        wrong += any(found(collection, text, mode)[0] != text for mode in MODES)
    rounds += 1
print(wrong, rounds, flush=True)
"""


def test_readers_in_other_processes_find_everything_while_a_writer_merges(home, collection):
    stable = [words(n) for n in range(5)]
    put(home, collection, {f"{n}.txt": [text] for n, text in enumerate(stable)})
    command = [sys.executable, "-c", READER, str(home.home), *stable]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for n in range(100, 140):
            put(home, collection, {f"{n % 10 + 10}.txt": [words(n)]})
            seal(collection.index, least_rows=1)
        (home.home / "stop").touch()
        wrong, rounds = map(int, reader.stdout.readline().split())
    assert reader.returncode == 0
    assert wrong == 0
    assert rounds > 0


def test_two_writers_of_one_collection_lose_and_double_nothing(home, collection):
    other = open_synthetic(home)
    errors: list[BaseException] = []

    def write(mine, first: int) -> None:
        try:
            for n in range(first, first + 30):
                put(home, mine, {f"{n}.txt": [words(n)]})
                seal(mine.index, least_rows=1)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [
        threading.Thread(target=write, args=(mine, first))
        for mine, first in ((collection, 0), (other, 100))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for n in [*range(30), *range(100, 130)]:
        finds_itself(collection, words(n))
        assert found(other, words(n), MODES[1], top=100).count(words(n)) == 1
    assert collection.index.view().rows == 60


def test_a_search_goes_on_with_the_segments_that_it_has_open(home, collection):
    put(home, collection, {f"{n}.txt": [words(n)] for n in range(4)})
    name = seal(collection.index, least_rows=1)
    view = collection.index.view()
    put(home, collection, {"10.txt": [words(10)]})
    seal(collection.index, least_rows=1)
    assert files_of(collection.index.folder, name) == []
    assert view.segments[0].dense.vectors[:].shape == (4, 16)
    assert texts_of(collection, view, [(0, 3)]) == [words(3)]


def test_what_another_process_is_about_to_publish_is_not_swept(home, collection):
    put(home, collection, {"a.txt": [words(1)]})
    name = seal(collection.index, least_rows=1)
    folder = collection.index.folder
    old, new, draft = (folder / one for one in ("dead.segment", "new.segment", ".x.segment.12"))
    for path in (old, new, draft):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    sweep_index(collection.index)

    left = {path.name for path in folder.iterdir()}
    assert left == {f"{name}.segment", new.name, draft.name}
    finds_itself(collection, words(1))


def test_a_writer_whose_file_was_swept_publishes_nothing(home, collection, monkeypatch):
    put(home, collection, {"a.txt": [words(1)]})
    attempts = []

    def gone(folder, name):
        attempts.append(name)
        return [] if len(attempts) == 1 else files_of(folder, name)

    monkeypatch.setattr(maintenance, "files_of", gone)
    assert seal(collection.index, least_rows=1)
    assert len(attempts) == 2
    finds_itself(collection, words(1))


# Many collections


def test_the_least_recently_used_index_closes_for_another(home):
    indexes = OpenIndexes(most_segments=2)
    collections = Collections(home)
    collections._indexes = indexes
    opened = []
    for n in range(3):
        one = open_synthetic(home, f"{n}")
        put(home, one, {"a.txt": [words(n)]})
        seal(one.index, least_rows=1)
        opened.append(collections.get(f"{n}"))
        finds_itself(opened[-1], words(n))
    assert [one.index._opened is None for one in opened] == [True, False, False]
    finds_itself(opened[0], words(0))
    assert [one.index._opened is None for one in opened] == [False, True, False]


MANY = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from tests.search.synthetic import MODES, found, open_synthetic, put, RECIPE
from bindery.library import Library
from bindery.search.collection import Collections
from bindery.search.maintenance import seal
library = Library(Path(sys.argv[1]))
collections = Collections(library)
for n in range(int(sys.argv[2])):
    one = collections.create(f"c{n}", RECIPE)
    put(library, one, {"a.txt": [f"first{n}"]})
    seal(one.index, least_rows=1)
for _ in range(2):
    for n in range(int(sys.argv[2])):
        one = collections.get(f"c{n}")
        for mode in MODES:
            assert found(one, f"first{n}", mode) == [f"first{n}"], n
print("fine")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_many_collections_are_open_with_few_file_descriptors(tmp_path, count):
    command = [sys.executable, "-c", MANY, str(tmp_path / "home"), str(count)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "fine\n", done.stderr[-2000:]

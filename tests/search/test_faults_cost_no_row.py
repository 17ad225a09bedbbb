"""Full disks, other processes and wrong files: nothing is lost, doubled or answered wrongly."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.search.synthetic import MODES, found, open_synthetic, put
from tests.search.test_search_equals_the_oracle import make_rows

from bindery.disk import NewFile
from bindery.errors import InvalidValue, StorageError, StorageFull
from bindery.library import Library
from bindery.search import segment_files
from bindery.search.codes import Codes
from bindery.search.collection import Collections
from bindery.search.maintainer import Maintainer
from bindery.search.maintenance import erase, seal, state_of
from bindery.search.segments import Segment
from bindery.vectors.embeddings import Embeddings

ROOT = Path(__file__).parents[2]


def words(n: int) -> str:
    return f"item{n} lies on shelf{n % 7}"


def fill(home, collection, numbers) -> None:
    put(home, collection, {f"{n}.txt": [words(n)] for n in numbers})


def finds_all(collection, numbers) -> None:
    for n in numbers:
        for mode in MODES:
            hits = found(collection, words(n), mode, top=100)
            assert hits[0] == words(n), (mode, n)
            assert hits.count(words(n)) == 1, (mode, n)


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that takes no segment until it is told to."""
    write = NewFile.write
    is_full = [True]

    def fail(self, data):
        if is_full[0] and self._path.suffix == ".segment":
            raise StorageFull("No space left on device.")
        return write(self, data)

    monkeypatch.setattr(NewFile, "write", fail)
    return is_full


def test_on_a_full_disk_rows_stay_in_the_tail_and_are_found(home, collection, full_disk):
    fill(home, collection, range(9))
    with pytest.raises(StorageFull):
        seal(collection.index, least_rows=1)
    assert list(collection.index.folder.iterdir()) == []
    finds_all(collection, range(9))
    collection.remove(["3.txt"])
    assert words(3) not in found(collection, words(3), MODES[1])

    full_disk[0] = False
    assert seal(collection.index, least_rows=1)
    finds_all(collection, [0, 1, 2, 4, 8])


def test_on_a_full_disk_a_merge_leaves_the_former_segments(home, collection, full_disk):
    full_disk[0] = False
    fill(home, collection, range(9))
    name = seal(collection.index, least_rows=1)
    full_disk[0] = True
    collection.remove(["3.txt"])
    with pytest.raises(StorageFull):
        erase(collection.index)
    assert [one.name for one in state_of(collection.index).segments] == [name]
    finds_all(open_synthetic(home), [0, 1, 2, 4, 8])


def test_a_maintainer_survives_a_full_disk(home, collection, full_disk, monkeypatch, caplog):
    monkeypatch.setattr("bindery.search.maintainer._IDLE_S", 0.0)
    monkeypatch.setattr("bindery.search.maintainer._LOOK_S", 0.01)
    monkeypatch.setattr("bindery.search.maintainer._PAUSE_S", 0.01)
    fill(home, collection, range(70))
    sealed = threading.Event()

    class Watched:
        id = collection.id

        def indexes(self):
            if "No space left" in caplog.text:
                full_disk[0] = False
            if not state_of(collection.index).tail_rows:
                sealed.set()
            return collection.indexes()

    with Maintainer(home, lambda: [Watched()]):
        assert sealed.wait(60)
    finds_all(collection, range(0, 70, 9))


WRITER = """
import sys
from pathlib import Path
from tests.search.synthetic import open_synthetic, put
from bindery.library import Library
from bindery.search.maintenance import seal
library = Library(Path(sys.argv[1]))
collection = open_synthetic(library)
for n in range(int(sys.argv[2]), int(sys.argv[2]) + 20):
    put(library, collection, {f"{n}.txt": [f"item{n} lies on shelf{n % 7}"]})
    seal(collection.index, least_rows=1)
"""


def test_two_processes_add_to_one_collection(home, collection):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(home.home), first], env=environment)
        for first in ("0", "100")
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    finds_all(collection, [*range(20), *range(100, 120)])
    assert collection.index.view().rows == 40
    erase(collection.index)
    finds_all(open_synthetic(home), [*range(20), *range(100, 120)])


def test_searches_go_on_while_segments_are_merged(home, collection):
    fill(home, collection, range(5))
    wrong: list[BaseException] = []
    is_over = threading.Event()

    def search() -> None:
        try:
            while not is_over.is_set():
                finds_all(collection, range(5))
        except BaseException as error:  # noqa: BLE001 - raised below
            wrong.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    for n in range(10, 30):
        fill(home, collection, [n])
        seal(collection.index, least_rows=1)
    is_over.set()
    thread.join()
    assert wrong == []


# Wrong files


def two_segments(home, collection) -> tuple[Path, Path]:
    fill(home, collection, range(60))
    first = seal(collection.index, least_rows=1)
    fill(home, collection, range(100, 105))
    second = seal(collection.index, least_rows=1)
    folder = collection.index.folder
    return folder / f"{first}.segment", folder / f"{second}.segment"


def swapped(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.replace(aside)
    other.replace(one)
    aside.replace(other)


def yesterday(one: Path, other: Path) -> None:
    shutil.copy(one, other)


def gone(one: Path, other: Path) -> None:
    one.unlink()
    other.unlink()


def a_folder(one: Path, other: Path) -> None:
    other.write_bytes(one.read_bytes()[:100])


@pytest.mark.parametrize("harm", [swapped, yesterday, gone, a_folder])
def test_wrong_files_are_noticed_and_made_again_from_the_catalog(home, collection, harm):
    one, other = two_segments(home, collection)
    finds_all(collection, [0, 59, 100, 104])
    harm(one, other)

    fresh = open_synthetic(home)

    finds_all(fresh, [0, 30, 59, 100, 104])
    assert fresh.index.view().rows == 65
    seal(fresh.index, least_rows=1)
    assert state_of(fresh.index).tail_rows == 0
    finds_all(open_synthetic(home), [0, 30, 59, 100, 104])


def test_a_format_that_is_not_known_is_made_again(home, collection, monkeypatch):
    monkeypatch.setattr(segment_files, "FORMAT", "0")
    one, other = two_segments(home, collection)
    monkeypatch.undo()
    finds_all(open_synthetic(home), [0, 30, 59, 100, 104])
    assert not one.exists()
    assert not other.exists()


def test_a_segment_that_cannot_be_opened_for_now_is_not_lost(home, collection, monkeypatch):
    one, other = two_segments(home, collection)

    def too_many(self, *_args, **_options):
        raise OSError(errno.EMFILE, "Too many open files", str(self))

    fresh = open_synthetic(home)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", too_many)
        with pytest.raises(StorageError, match="Too many open files"):
            fresh.index.view()
    assert one.exists()
    assert other.exists()
    finds_all(fresh, [0, 100])


def test_equal_vectors_of_other_files_are_another_segment(tmp_path):
    vectors = Embeddings.dense(np.eye(4, 16, dtype=np.float32))
    names = {
        Segment.in_memory(make_rows(4, files=files), vectors).write(tmp_path) for files in (2, 3)
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    "rows", [np.full((1, 16), np.nan), np.full((1, 16), np.inf)], ids=["NaN", "inf"]
)
def test_vectors_that_are_not_finite_are_refused(rows):
    with pytest.raises(InvalidValue, match="not finite"):
        Segment.in_memory(make_rows(1), Embeddings.dense(rows.astype(np.float32)))


# turbovec

THREADS = """
import sys
import numpy as np
from bindery.search.dense import DenseSegment
from bindery.search.codes import Codes
chance = np.random.default_rng(3)
centres = chance.normal(size=(200, 64))
vectors = centres[np.arange(12_000) % 200] + .3 * chance.normal(size=(12_000, 64))
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
segment = DenseSegment(vectors, Codes.of(vectors))
allowed = np.ones(len(vectors), dtype=bool)
wrong = 0
for query in vectors[:400:10].astype(np.float32):
    exact = vectors.astype(np.float32) @ query
    rows = segment.candidates(query, 10, allowed)
    best = rows[np.argsort(-segment.scores(query, rows), kind="stable")[:10]]
    wrong += len(set(best.tolist()) - set(np.argsort(-exact, kind="stable")[:10].tolist()))
print(wrong)
"""


@pytest.mark.parametrize("threads", ["1", "8"])
def test_the_best_are_the_exact_ones_with_any_number_of_threads(threads):
    environment = {**os.environ, "RAYON_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, env=environment, check=True
    )
    assert int(done.stdout) <= 4  # of 400


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_scans_start_one_thread_and_leave_the_environment_as_it_was():
    code = """
import os, numpy as np
from bindery.search.codes import Codes
before = dict(os.environ)
vectors = np.random.default_rng(0).normal(size=(6000, 32)).astype(np.float16)
made = Codes.of(vectors)
counts = len(os.listdir("/proc/self/task"))
for query in vectors[:20].astype(np.float32):
    made.candidates(query, 10, None, 6000)
print(dict(os.environ) == before, len(os.listdir("/proc/self/task")) == counts <= 3)
"""
    names = ("RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == ["True", "True"]


def test_codes_give_the_same_candidates_once_they_are_loaded_again():
    vectors = np.random.default_rng(5).normal(size=(6000, 32)).astype(np.float16)
    made = Codes.of(vectors)
    if made is None:
        pytest.skip("there is no turbovec for this machine")
    loaded = Codes.from_bytes(made.to_bytes())
    assert loaded is not None
    allowed = np.arange(6000) % 3 > 0
    for query in vectors[:5].astype(np.float32):
        one = made.candidates(query, 10, allowed, int(allowed.sum()))
        other = loaded.candidates(query, 10, allowed, int(allowed.sum()))
        assert sorted(one.tolist()) == sorted(other.tolist())
        assert allowed[one].all()


def test_two_homes_with_one_database_find_everything_and_undo_nothing(home, collection, tmp_path):
    """As two machines with one PostgreSQL database that share no folder."""
    other = Library(tmp_path / "other", database_url=f"sqlite:///{home.home / 'bindery.db'}")
    (theirs,) = Collections(other)
    assert theirs.index.view().rows == 0
    fill(home, collection, range(40))
    seal(collection.index, least_rows=1)
    first = state_of(collection.index).segments
    finds_all(theirs, range(40))
    assert state_of(collection.index).segments == first
    assert state_of(theirs.index).segments == []
    assert "not in this home folder: 1." in theirs.facts()["warnings"][0]
    assert collection.facts()["warnings"] == []

    fill(other, theirs, range(40, 60))
    seal(theirs.index, least_rows=1)
    collection.remove(["3.txt"])
    for one in (collection, theirs, collection):
        seal(one.index, least_rows=1)
        finds_all(one, [*range(3), *range(4, 60)])
        assert words(3) not in found(one, words(3), MODES[1], top=100)
        assert len(state_of(one.index).segments) == 1
    other.close()
